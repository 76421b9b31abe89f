"""Sessions in buffers of their own: on the CPU here, where the device's name is all that differs from a GPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgetl.device import providers
from edgetl.device.providers import ModelError, Session, _binding, cuda
from edgetl.device.providers.base import EngineSession
from edgetl.device.throughput import run_streams
from edgetl.device.values import SessionSpec

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
from tests.device import tiny

pytestmark = pytest.mark.engine


def bound(folder: Path, kind: str, *, batch: int = 2, classes: bool = True) -> Session:
    model = tiny.save(folder / "m.onnx") if classes else tiny.save(folder / "m.onnx", batch=batch)
    return providers.load(model, SessionSpec("cpu", options={"binding": kind, "batch": str(batch)}))


@pytest.mark.parametrize("kind", _binding.KINDS)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_logits_are_those_of_a_plain_session(kind: str, count: int, tmp_path: Path) -> None:
    session, pixels = bound(tmp_path, kind), tiny.images(count)
    plain = providers.load(tmp_path / "m.onnx", SessionSpec("cpu", options={"batch": "2"}))
    for _ in range(2):
        np.testing.assert_array_equal(session.run(pixels), plain.run(pixels))


@pytest.mark.parametrize("kind", _binding.KINDS)
def test_another_batch_in_the_same_buffers_gives_its_own_logits(kind: str, tmp_path: Path) -> None:
    session = bound(tmp_path, kind)
    first, second = tiny.images(2), tiny.images(2, seed=9)
    given = first.copy()
    before = session.run(first)
    kept = before.copy()
    np.testing.assert_allclose(session.run(second), tiny.expected(second), rtol=1e-4, atol=1e-3)
    # Neither the answer nor the images of the run before were written over.
    np.testing.assert_array_equal(before, kept)
    np.testing.assert_array_equal(first, given)
    np.testing.assert_allclose(session.run(first), tiny.expected(first), rtol=1e-4, atol=1e-3)


def test_only_what_is_resident_is_not_copied_again(tmp_path: Path) -> None:
    """The one thing that tells them apart here: whether a change of the same array is seen."""
    seen = {}
    for kind in _binding.KINDS:
        session, pixels = bound(tmp_path, kind), tiny.images(2)
        before = session.run(pixels)
        pixels[:] = 0
        seen[kind] = not np.array_equal(session.run(pixels), before)
    assert seen == {"copies": True, "device": False}


def test_a_size_that_changes_gets_new_buffers(tmp_path: Path) -> None:
    infer = bound(tmp_path, "device", batch=4, classes=False)
    for seed in (1, 2):
        pixels = tiny.images(4, seed)
        np.testing.assert_allclose(infer.run(pixels), tiny.expected(pixels), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", _binding.KINDS)
def test_streams_do_not_share_buffers(kind: str, tmp_path: Path) -> None:
    session = bound(tmp_path, kind)
    one, other = session.stream(), session.stream()
    first, second = tiny.images(2), tiny.images(2, seed=9)
    one(first)
    np.testing.assert_allclose(other(second), tiny.expected(second), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(one(first), tiny.expected(first), rtol=1e-4, atol=1e-3)
    assert run_streams(session, first, streams=2, count=3)[0] == 12


def test_an_unknown_binding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="must be copies or device, not 'gpu'"):
        bound(tmp_path, "gpu")


def test_a_graph_keeps_the_buffers_that_it_was_captured_with(tmp_path: Path) -> None:
    session = bound(tmp_path, "copies")
    assert isinstance(session, EngineSession)
    one = SessionSpec("cuda", options={"enable_cuda_graph": "1"})
    captured = cuda.of_one_graph(session, one, "enable_cuda_graph")
    assert captured.another is not None
    assert captured.another() is captured.infer
    assert cuda.of_one_graph(session, SessionSpec("cuda"), "enable_cuda_graph") is session
    many = SessionSpec("cuda", options={"enable_cuda_graph": "1", "streams": "2"})
    with pytest.raises(ModelError, match="one batch at a time"):
        cuda.of_one_graph(session, many, "enable_cuda_graph")
