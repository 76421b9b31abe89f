"""Several threads on one session: exactly on the scripted clock, and on the engines that are installed here."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgetl.artifacts import Throughput
from edgetl.device import providers
from edgetl.device.providers import ModelError
from edgetl.device.providers.base import streams_of
from edgetl.device.throughput import run_streams
from edgetl.device.values import Preprocess, SessionSpec
from edgetl.environments.local import local_command
from edgetl.errors import WorkerError
from edgetl.measure.launches import Variant
from edgetl.measure.throughput import sweep
from edgetl.measure.worker import Worker
from tests.conftest import CORES

pytestmark = pytest.mark.usefixtures("every_core")

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 4, 4, 3), dtype=np.uint8)
ENGINES = [
    pytest.param(name, marks=pytest.mark.skipif(not importlib.util.find_spec(module), reason=f"{module} is missing"))
    for name, module in {"cpu": "onnxruntime", "openvino": "openvino"}.items()
]


class Remarks:
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def step(self, name: str, done: int, total: int) -> None:
        pass

    def remark(self, text: str) -> None:
        self.said.append(text)


def fake(tmp_path: Path, **script: Any) -> Path:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(script))
    return path


def variant(model: Path, provider: str = "fake", options: Mapping[str, str] | None = None) -> Variant:
    return Variant(model, provider, "fp32", 1, Preprocess(4, 4), IMAGES, options=options or {})


@pytest.mark.parametrize(("streams", "count"), [(1, 1), (1, 3), (3, 1), (4, 25)])
def test_all_streams_share_the_scripted_clock(streams: int, count: int, tmp_path: Path) -> None:
    session = providers.load(fake(tmp_path, latency_ns=[100], per_image=True), SessionSpec("fake"))
    images, elapsed = run_streams(session, IMAGES, streams, count)
    assert images == 4 * streams * count
    assert elapsed == 400 * streams * count


def test_what_a_run_raises_is_raised_and_no_thread_waits_for_ever(tmp_path: Path) -> None:
    before = threading.active_count()
    for after in (0, 2, 5):
        model = fake(tmp_path, fail={"at": "run", "how": "error", "after": after, "message": "No memory."})
        with pytest.raises(ModelError, match="No memory"):
            run_streams(providers.load(model, SessionSpec("fake")), IMAGES, 3, 2)
    assert threading.active_count() == before


def test_a_worker_tells_images_and_time(tmp_path: Path) -> None:
    with Worker(local_command()) as worker:
        worker.load(fake(tmp_path, latency_ns=[1000]), SessionSpec("fake"))
        with pytest.raises(WorkerError, match="'throughput' needs images"):
            worker.throughput(1, 1)
        worker.set_input(IMAGES)
        assert worker.throughput(2, 5) == (40, 10_000)
        for streams in (0, 257):
            with pytest.raises(WorkerError, match="'streams' must be a whole number from 1 to 256"):
                worker.throughput(streams, 1)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", ""])
def test_a_number_of_streams_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="'streams' must be a whole number"):
        streams_of(SessionSpec(options={"streams": text}))
    assert streams_of(SessionSpec()) == 1


@pytest.mark.engine
@pytest.mark.parametrize("provider", ENGINES)
@pytest.mark.parametrize("streams", [1, 2, 5])
def test_every_stream_of_an_engine_gives_the_logits_of_its_own_images(
    provider: str, streams: int, tmp_path: Path
) -> None:
    """In each thread other images: what one stream finds must not be what another one wrote."""
    pytest.importorskip("onnx")
    from tests.device import tiny

    options = {"batch": "2", "streams": str(streams)}
    session = providers.load(tiny.save(tmp_path / "m.onnx"), SessionSpec(provider, threads=2, options=options))
    failures: list[str] = []

    def work(seed: int) -> None:
        run, pixels = session.stream(), tiny.images(3, seed)
        expected = tiny.expected(pixels)
        for _ in range(50):
            if not np.allclose(run(pixels), expected, rtol=1e-4, atol=1e-3):
                failures.append(f"stream {seed}")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    pixels = tiny.images(2)
    images, elapsed = run_streams(session, pixels, streams, 3)
    assert (images, elapsed > 0) == (6 * streams, True)


@pytest.mark.engine
@pytest.mark.skipif(len(CORES) < 2, reason="OpenVINO makes no more streams than there are cores")
@pytest.mark.parametrize("streams", [1, 2])
def test_openvino_is_compiled_for_as_many_streams_as_asked(streams: int, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("onnx")
    from tests.device import tiny

    # In a process of its own, since OpenVINO counts the cores once.
    code = f"""
from pathlib import Path
import openvino as ov
from edgetl.device import providers
from edgetl.device.values import SessionSpec

compiled, original = [], ov.Core.compile_model

def spy(*arguments, **keywords):
    compiled.append(original(*arguments, **keywords))
    return compiled[-1]

ov.Core.compile_model = spy
spec = SessionSpec("openvino", threads=2, options={{"streams": "{streams}"}})
providers.load(Path({str(tiny.save(tmp_path / "m.onnx"))!r}), spec)
print(*(int(compiled[0].get_property(name)) for name in ("NUM_STREAMS", "INFERENCE_NUM_THREADS")))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == [str(streams), "2"]


@pytest.mark.engine
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in /proc")
@pytest.mark.parametrize(("streams", "more"), [(1, 2), (2, 1), (3, 0), (8, 0)])
def test_onnx_runtime_s_pool_and_the_streams_are_the_threads_asked_for(streams: int, more: int, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from tests.device import tiny

    model = tiny.save(tmp_path / "m.onnx")
    before = len(list(Path("/proc/self/task").iterdir()))
    session = providers.load(model, SessionSpec("cpu", threads=3, options={"streams": str(streams)}))
    assert len(list(Path("/proc/self/task").iterdir())) - before == more
    del session


def test_a_sweep_has_a_figure_for_each_combination(tmp_path: Path) -> None:
    model = fake(tmp_path, latency_ns=[2_000_000], per_image=True)
    found = sweep(variant(model), (1, 8), (1, 2), seconds_each=0.5)
    assert found == tuple(
        Throughput(batch=batch, streams=streams, images_per_s=500.0) for batch in (1, 8) for streams in (1, 2)
    )


def test_a_sweep_s_figure_is_the_median_of_three(tmp_path: Path) -> None:
    # In order: 1 run that warms up, 1 that is the trial, and three measurements of 1.
    model = fake(tmp_path, latency_ns=[9, 1_000_000_000, 9, 4_000_000_000, 9, 2_000_000_000, 9, 1_000_000_000])
    (found,) = sweep(variant(model), (1,), (1,), seconds_each=1.0)
    assert found.images_per_s == 0.5


def test_a_combination_that_fails_is_left_out_and_told(tmp_path: Path) -> None:
    remarks = Remarks()
    model = fake(tmp_path, input_shape=[4, 4, 4, 3])
    found = sweep(variant(model), (1, 4), (1,), 0.01, remarks)
    assert [each.batch for each in found] == [4]
    assert remarks.said == ["Not measured in batches of 1, 1 at a time: The model's own batches are of 4."]


def test_a_sweep_of_nothing_but_failures_is_the_engine_s_own_sentence(tmp_path: Path) -> None:
    model = fake(tmp_path, fail={"at": "load", "how": "unavailable", "message": "No such board."})
    with pytest.raises(WorkerError, match=r"^No such board\.$"):
        sweep(variant(model), (1, 2), (1,), 0.01)


@pytest.mark.engine
@pytest.mark.parametrize("provider", ENGINES)
def test_a_real_sweep_tiles_the_images_to_the_batch(provider: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from tests.device import tiny

    model = tiny.save(tmp_path / "m.onnx")
    real = Variant(model, provider, "fp32", 1, Preprocess(8, 8), tiny.images(2))
    found = sweep(real, (1, 5), (1, 2), 0.05)
    assert [(each.batch, each.streams) for each in found] == [(1, 1), (1, 2), (5, 1), (5, 2)]
    assert all(each.images_per_s > 0 for each in found)
