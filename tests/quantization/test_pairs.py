"""Q/DQ pairs: which nodes are quantized; those put back into float compute exactly what the float model computes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnxruntime")

from edgetl import recipes
from edgetl.quantization.calibration.observe import session
from edgetl.quantization.engines import static
from edgetl.quantization.pairs import groups, in_float, quantized_nodes
from tests.quantization.small import images, network

pytestmark = pytest.mark.engine


def _logits(model: onnx.ModelProto) -> NDArray[np.float32]:
    found: NDArray[np.float32] = session(model).run(None, {"image": images(16, 1)})[0]
    return found


@pytest.fixture(scope="module")
def pair() -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """The int8 model and the float one."""
    model = network()
    return static.quantize(model, recipes.load("u8s8-minmax"), lambda: iter([images(16, 2)])), model


def test_groups_begin_with_what_computes() -> None:
    assert groups(network()) == (
        ("conv_1", "clip_1"),
        ("conv_2", "add", "pool", "flatten"),
        ("gemm",),
    )


def test_all_nodes_in_float_compute_what_the_float_model_computes(
    pair: tuple[onnx.ModelProto, onnx.ModelProto],
) -> None:
    quantized, model = pair
    everything = {node.name for node in model.graph.node}
    restored = in_float(quantized, model, everything)
    assert quantized_nodes(restored) == ()
    assert not any("Quantize" in node.op_type for node in restored.graph.node)
    np.testing.assert_allclose(_logits(restored), _logits(model), rtol=1e-5, atol=1e-5)
    assert np.abs(_logits(quantized) - _logits(model)).max() > 1e-3


@pytest.mark.parametrize("kept", [("conv_1", "clip_1"), ("conv_2", "add"), ("gemm",)])
def test_nodes_that_are_put_back_lose_nothing_and_the_others_stay_in_int8(
    pair: tuple[onnx.ModelProto, onnx.ModelProto], kept: tuple[str, ...]
) -> None:
    quantized, model = pair
    names = {node.name for node in model.graph.node} - set(kept)
    mixed = in_float(quantized, model, names)
    onnx.checker.check_model(mixed, full_check=True)
    assert set(quantized_nodes(mixed)) <= set(kept)
    assert set(quantized_nodes(mixed)) & set(kept)
    error, whole = (np.square(_logits(each) - _logits(model)).mean() for each in (mixed, quantized))
    assert 0 < error < whole


def test_what_nobody_reads_any_more_is_gone(pair: tuple[onnx.ModelProto, onnx.ModelProto]) -> None:
    quantized, model = pair
    mixed = in_float(quantized, model, {"gemm"})
    read = {name for node in mixed.graph.node for name in node.input} | {each.name for each in mixed.graph.output}
    assert {each.name for each in mixed.graph.initializer} <= read
    assert all(set(node.output) & read for node in mixed.graph.node)


def test_the_models_given_stay_as_they_are(pair: tuple[onnx.ModelProto, onnx.ModelProto]) -> None:
    before = [each.SerializeToString() for each in pair]
    in_float(*pair, {"conv_1", "clip_1"})
    assert [each.SerializeToString() for each in pair] == before
