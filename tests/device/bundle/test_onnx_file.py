"""A model in a bundle reads no other file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgetl.device.bundle.archive import BundleError
from edgetl.device.bundle.onnx_file import require_self_contained
from tests.device import tiny

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def tensor(*, external: bool) -> TensorProto:
    value = numpy_helper.from_array(np.arange(4, dtype=np.float32), "w")
    if external:
        value.ClearField("raw_data")
        value.data_location = TensorProto.EXTERNAL
        entry = value.external_data.add()
        entry.key, entry.value = "location", "../../etc/passwd"
    return value


def graph(name: str, **fields: object) -> onnx.GraphProto:
    return helper.make_graph(name=name, inputs=[], outputs=[], **{"nodes": [], **fields})


def models(*, external: bool) -> dict[str, onnx.ModelProto]:
    value = tensor(external=external)
    constant = helper.make_node("Constant", [], ["w"], value=value)
    branch = helper.make_node(
        "If", ["c"], ["w"], then_branch=graph("t", nodes=[constant]), else_branch=graph("e", nodes=[])
    )
    sparse = helper.make_sparse_tensor(value, numpy_helper.from_array(np.arange(4), "i"), [4])
    function = helper.make_function("d", "f", [], ["w"], [constant], [helper.make_opsetid("", 20)])
    return {
        "initializer": helper.make_model(graph("g", initializer=[value])),
        "constant": helper.make_model(graph("g", nodes=[constant])),
        "subgraph": helper.make_model(graph("g", nodes=[branch])),
        "sparse": helper.make_model(graph("g", sparse_initializer=[sparse])),
        "function": helper.make_model(graph("g"), functions=[function]),
    }


@pytest.mark.parametrize("where", sorted(models(external=False)))
def test_a_tensor_elsewhere_is_found_wherever_it_hides(where: str) -> None:
    require_self_contained(memoryview(models(external=False)[where].SerializeToString()))
    with pytest.raises(BundleError, match="another file"):
        require_self_contained(memoryview(models(external=True)[where].SerializeToString()))


@pytest.mark.parametrize(
    "junk", [b"\xff" * 12, b"\x3a\x7f", b"\x3b", b"\x38\x01"], ids=["endless", "cut", "group", "number"]
)
def test_what_is_no_protocol_buffer_is_refused(junk: bytes) -> None:
    with pytest.raises(BundleError, match="damaged"):
        require_self_contained(memoryview(junk))


def test_subgraphs_without_end_are_refused() -> None:
    inner = b""
    for _ in range(200):
        inner = _field(6, inner)
        inner = _field(5, inner)
        inner = _field(1, inner)
    with pytest.raises(BundleError, match="nested"):
        require_self_contained(memoryview(_field(7, inner)))


def _field(number: int, content: bytes) -> bytes:
    length, size = len(content), b""
    while length >= 128:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + content


def test_a_real_model_passes(tmp_path: Path) -> None:
    require_self_contained(memoryview(tiny.save(tmp_path / "model.onnx").read_bytes()))
