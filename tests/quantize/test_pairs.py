"""Q/DQ pairs: which nodes are quantized; those put back into float compute exactly what the float model computes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

pytest.importorskip("onnxruntime")

import onnxruntime as ort

from edgetl import recipes
from edgetl.quantize.engines import static
from edgetl.quantize.pairs import groups, in_float, quantized_nodes

pytestmark = pytest.mark.engine

SIDE = 8


def _model() -> onnx.ModelProto:
    """Two convolutions with ReLU6, a residual addition, pooling and a fully connected layer."""
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.normal(0, 0.3, (8, 3, 3, 3)),
        "b1": rng.normal(0, 0.2, 8),
        "w2": rng.normal(0, 0.2, (8, 8, 3, 3)),
        "b2": rng.normal(0, 0.2, 8),
        "w3": rng.normal(0, 0.3, (4, 8)),
        "b3": rng.normal(0, 0.1, 4),
    }
    constants = {name: value.astype(np.float32) for name, value in weights.items()}
    constants |= {"low": np.float32(0), "high": np.float32(6), "flat": np.array([0, 8], np.int64)}
    pads = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Transpose", ["image"], ["nchw"], name="transpose", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["nchw"], ["float"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "scale"], ["x"], name="scale"),
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="conv_1", **pads),
        helper.make_node("Clip", ["c1", "low", "high"], ["a1"], name="clip_1"),
        helper.make_node("Conv", ["a1", "w2", "b2"], ["c2"], name="conv_2", **pads),
        helper.make_node("Add", ["a1", "c2"], ["sum"], name="add"),
        helper.make_node("GlobalAveragePool", ["sum"], ["pooled"], name="pool"),
        helper.make_node("Reshape", ["pooled", "flat"], ["features"], name="flatten"),
        helper.make_node("Gemm", ["features", "w3", "b3"], ["logits"], name="gemm", transB=1),
    ]
    constants["scale"] = np.float32(64.0)
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", SIDE, SIDE, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", [image], [logits], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _pixels(count: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def _logits(model: onnx.ModelProto) -> NDArray[np.float32]:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: NDArray[np.float32] = session.run(None, {"image": _pixels(16, 1)})[0]
    return found


@pytest.fixture(scope="module")
def pair() -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """The int8 model and the float one."""
    model = _model()
    return static.quantize(model, recipes.load("u8s8-minmax"), lambda: iter([_pixels(16, 2)])), model


def test_groups_begin_with_what_computes() -> None:
    assert groups(_model()) == (
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
