"""Recipes on classifiers that edgetl did not export: each is quantized, and near to its fp32 logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

pytest.importorskip("onnxruntime")

from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgetl import recipes
from edgetl.quantization.calibration.observe import session
from edgetl.quantization.engines import float16, static
from edgetl.quantization.explain.engine import float_here
from edgetl.quantization.pairs import quantized_nodes
from tests.quantization import any_graph, small
from tests.quantization.any_graph import CLASSES, WIDTH, Block, Builder, around

pytestmark = pytest.mark.engine

MANY = 1000
# Of the logits' change from image to image. What is right has 15 to 37 here; what is not has less than 13, or no file.
NEAR_DB = 14.0


def _long(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def _batches() -> Any:
    return iter(np.split(any_graph.images(16, 0), 4))


def _quantized(model: onnx.ModelProto, folder: Path, recipe: str) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Return the int8 model and the float model as it was taken in."""
    taken = any_graph.taken_in(model, folder)
    quantized = static.quantize(taken, recipes.load(recipe), _batches)
    quantized.graph.ClearField("value_info")
    onnx.checker.check_model(quantized, full_check=True)
    return quantized, taken


def _logits(model: onnx.ModelProto, count: int = 64) -> NDArray[np.float32]:
    found: NDArray[np.float32] = session(model).run(None, {"image": any_graph.images(count, 9)})[0]
    return found


def _decibels(model: onnx.ModelProto, reference: onnx.ModelProto) -> float:
    expected, found = _logits(reference), _logits(model)
    signal = np.square(expected - expected.mean(axis=0)).sum()
    return float(10 * np.log10(signal / np.square(expected - found).sum()))


def _hidden_gemm(beta: float, bias: tuple[int, ...]) -> Block:
    def block(build: Builder, features: str) -> str:
        wide = build.do("Gemm", build.pooled(features), build.random(WIDTH, 32), build.random(*bias, gain=1), beta=beta)
        narrow = build.do("Gemm", build.do("Relu", wide), build.random(32, WIDTH), build.random(WIDTH, gain=1))
        gate = build.do("Reshape", build.do("Sigmoid", narrow), build.constant(_long(-1, WIDTH, 1, 1)))
        return build.do("Mul", features, gate)

    return block


def _tokens(build: Builder, features: str) -> str:
    rows = build.do("Reshape", build.do("Transpose", features, perm=[0, 2, 3, 1]), build.constant(_long(-1, WIDTH)))
    for inputs, outputs in ((WIDTH, 32), (32, WIDTH)):
        product = build.do("MatMul", rows, build.random(inputs, outputs))
        rows = build.do("Relu", build.do("Add", product, build.random(outputs, gain=0.3)))
    back = build.do("Reshape", rows, build.constant(_long(-1, 8, 8, WIDTH)))
    return build.do("Transpose", back, perm=[0, 3, 1, 2])


def _scalar_gate(build: Builder, features: str) -> str:
    """The largest activation of all, with no axis at all."""
    top = build.do("Relu", build.do("ReduceMax", build.conv(features, WIDTH, WIDTH), keepdims=0))
    shrunk = build.do("Mul", top, build.constant(np.float32(0)))
    return build.do("Add", features, shrunk)


def _minus_infinity(build: Builder, features: str) -> str:
    pads = build.constant(_long(0, 0, 0, 0, 0, 0, 1, 1))
    padded = build.do("Pad", features, pads, build.constant(np.float32(-np.inf)))
    return build.do("MaxPool", padded, kernel_shape=[3, 3], strides=[2, 2])


def _masked(build: Builder, features: str) -> str:
    """Attention over the columns of each row, to those before a column only."""
    mask = np.where(np.tri(8, dtype=bool), 0, -np.inf).astype(np.float32)
    scaled = build.do("Mul", build.conv(features, WIDTH, WIDTH), build.constant(np.float32(0.05)))
    scores = build.do("Add", scaled, build.constant(mask))
    return build.do("MatMul", build.do("Softmax", scores, axis=-1), features)


def _grouped_deconvolution(build: Builder, features: str) -> str:
    weights, bias = build.random(WIDTH, WIDTH // 2, 2, 2), build.random(WIDTH, gain=0.3)
    grown = build.do("ConvTranspose", features, weights, bias, kernel_shape=[2, 2], strides=[2, 2], group=2)
    return build.do("Relu", grown)


def _branches(build: Builder, features: str) -> str:
    """An If whose branches read an activation and the weights of a convolution outside of it."""
    weights = build.random(WIDTH, WIDTH, 1, 1)
    inner = build.do("Relu", build.do("Conv", features, weights, kernel_shape=[1, 1]))
    value = helper.make_tensor_value_info("t", TensorProto.FLOAT, None)
    then = helper.make_graph([helper.make_node("Conv", [inner, weights], ["t"])], "then", [], [value])
    value = helper.make_tensor_value_info("e", TensorProto.FLOAT, None)
    other = helper.make_graph([helper.make_node("Identity", [inner], ["e"])], "else", [], [value])
    positive = build.do("Greater", build.do("ReduceMax", features, keepdims=0), build.constant(np.float32(-1)))
    chosen = build.do("If", positive, then_branch=then, else_branch=other)
    return build.do("Relu", build.do("Add", build.conv(inner, WIDTH, WIDTH), chosen))


def _grey_to_colours(build: Builder, features: str) -> str:
    grey = build.conv(features, WIDTH, 1, kernel=1)
    colours = build.do("Mul", grey, build.random(1, 3, 1, 1, gain=1))
    return build.conv(colours, 3, WIDTH, kernel=1)


def _old_sum(build: Builder, features: str) -> str:
    return build.do("Relu", build.do("Sum", build.conv(features, WIDTH, WIDTH), features))


def _tied(build: Builder, features: str) -> str:
    """Two products and two scales that share their constants."""
    weights, gain = build.random(WIDTH, WIDTH), build.random(WIDTH, gain=1)
    rows = build.do("Transpose", features, perm=[0, 2, 3, 1])
    for _ in range(2):
        rows = build.do("Relu", build.do("Mul", build.do("MatMul", rows, weights), gain))
    return build.do("Transpose", rows, perm=[0, 3, 1, 2])


BLOCKS: dict[str, Block] = {
    "a bias times two": _hidden_gemm(2.0, (32,)),
    "a bias of a row": _hidden_gemm(1.0, (1, 32)),
    "a bias of one number": _hidden_gemm(1.0, (1,)),
    "rows of tokens": _tokens,
    "a scalar": _scalar_gate,
    "padding with minus infinity": _minus_infinity,
    "a mask": _masked,
    "a grouped deconvolution": _grouped_deconvolution,
    "branches": _branches,
    "one channel becomes three": _grey_to_colours,
    "a sum of two": _old_sum,
    "shared weights": _tied,
}


@pytest.mark.parametrize("recipe", ["u8s8-equalized", "u8s8-minmax", "s8s8-symmetric"])
@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_a_network_with(block: Block, recipe: str, tmp_path: Path) -> None:
    quantized, taken = _quantized(around(block), tmp_path, recipe)
    assert _decibels(quantized, taken) > NEAR_DB
    convolutions = {node.name for node in quantized.graph.node if node.op_type == "Conv"}
    assert convolutions
    assert convolutions.issubset(quantized_nodes(quantized))


def test_a_clip_of_shapes_has_no_range() -> None:
    """A free batch keeps what cannot be folded; here in a model that was not taken in."""
    model = small.network()
    clip = [
        helper.make_node("Shape", ["sum"], ["shape"], name="shape"),
        helper.make_node("Clip", ["shape", "one", "many"], ["clipped"], name="clip"),
        helper.make_node("Reshape", ["sum", "clipped"], ["same"], name="same"),
    ]
    place = next(index for index, node in enumerate(model.graph.node) if node.name == "pool")
    model.graph.node[place].input[0] = "same"
    for node in reversed(clip):
        model.graph.node.insert(place, node)
    for name, value in (("one", 1), ("many", 4096)):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    recipe = recipes.load("u8s8-equalized")
    quantized = static.quantize(model, recipe, lambda: iter([small.images(8, 1)]))
    pixels = small.images(16, 2)
    expected, found = (session(each).run(None, {"image": pixels})[0] for each in (model, quantized))
    assert np.abs(found - expected).max() < 0.1 * np.ptp(expected)


def _ended(ending: str) -> onnx.ModelProto:
    build = Builder()
    features = build.do("Relu", build.conv("x", 3, WIDTH, stride=2))
    features = build.do("Relu", build.conv(features, WIDTH, WIDTH))
    if ending == "pooled classes":
        maps = build.do("Relu", build.conv(features, WIDTH, MANY, kernel=1))
        build.do("Flatten", build.do("GlobalAveragePool", maps), output="out")
    elif ending == "convolution":
        pooled = build.do("GlobalAveragePool", features)
        scores = build.do("Conv", pooled, build.random(MANY, WIDTH, 1, 1, gain=1), build.random(MANY, gain=0.3))
        build.do("Reshape", scores, build.constant(_long(-1, MANY)), output="out")
    else:
        scores = build.scores(build.pooled(features), MANY, output="out" if ending == "logits" else "")
        if ending == "temperature":
            build.do("Mul", scores, build.constant(np.float32(0.7)), output="out")
        elif ending != "logits":
            build.do(ending, scores, output="out")
    return build.model(MANY)


@pytest.mark.parametrize("recipe", ["u8s8-equalized", "u8s8-openvino-reduced-range", "s8s8-symmetric"])
@pytest.mark.parametrize(
    "ending", ["logits", "Softmax", "LogSoftmax", "Sigmoid", "temperature", "pooled classes", "convolution"]
)
def test_the_last_values_are_floats_whatever_follows_the_last_layer(ending: str, recipe: str, tmp_path: Path) -> None:
    quantized, _ = _quantized(_ended(ending), tmp_path, recipe)
    found = _logits(quantized)
    tops = (found == found.max(axis=1, keepdims=True)).sum(axis=1)
    # A probability of 1 may be had twice, which no rounding to 256 steps is needed for.
    assert np.mean(tops > 1) < (0.5 if ending == "Sigmoid" else 0.02)
    assert len(np.unique(found)) > 256


def test_operators_that_reckon_with_the_batch_fold_away(tmp_path: Path) -> None:
    def shuffled(build: Builder, features: str) -> str:
        """As torch's older exporter writes a shuffle of channels."""
        shape = build.do("Shape", features)
        batch, channels = (build.do("Gather", shape, build.constant(_long(axis))) for axis in (0, 1))
        half = build.do("Div", channels, build.constant(_long(2)))
        sides = build.constant(_long(8, 8))
        target = build.do("Concat", batch, build.constant(_long(2)), half, sides, axis=0)
        swapped = build.do("Transpose", build.do("Reshape", features, target), perm=[0, 2, 1, 3, 4])
        whole = build.do("Mul", half, build.constant(_long(2)))
        return build.do("Reshape", swapped, build.do("Concat", batch, whole, sides, axis=0))

    taken = any_graph.taken_in(around(shuffled), tmp_path)
    assert not {"Shape", "Gather", "Concat"} & {node.op_type for node in taken.graph.node}
    assert _logits(taken, 3).shape == (3, CLASSES)


def test_hard_swish_in_two_parts_runs_in_int8(tmp_path: Path) -> None:
    def block(build: Builder, features: str) -> str:
        inner = build.conv(features, WIDTH, WIDTH)
        return build.do("Mul", inner, build.do("HardSigmoid", inner, alpha=1 / 6))

    quantized, taken = _quantized(around(block), tmp_path, "u8s8-equalized")
    assert "HardSwish" in {node.op_type for node in taken.graph.node}
    assert "HardSigmoid" not in {node.op_type for node in quantized.graph.node}
    in_int8 = {node.op_type for node in quantized.graph.node if node.name in quantized_nodes(quantized)}
    assert {"Conv", "Mul", "Clip"} <= in_int8
    assert _decibels(quantized, taken) > NEAR_DB


@pytest.mark.parametrize("operator", ["LeakyRelu", "PRelu"])
def test_uneven_channels_are_evened_out_through(operator: str, tmp_path: Path) -> None:
    uneven = np.geomspace(0.01, 30, WIDTH).astype(np.float32)

    def block(build: Builder, features: str) -> str:
        first, second = build.conv(features, WIDTH, WIDTH), build.random(WIDTH, WIDTH, 3, 3)
        for name in build.nodes[-1].input[1:]:
            shape = (-1,) + (1,) * (build.constants[name].ndim - 1)
            build.constants[name] = build.constants[name] * uneven.reshape(shape)
        build.constants[second] = build.constants[second] / uneven.reshape(1, -1, 1, 1)
        slope = [build.constant(np.full((WIDTH, 1, 1), 0.2, np.float32))] if operator == "PRelu" else []
        curved = build.do(operator, first, *slope)
        return build.do("Conv", curved, second, kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    quantized, taken = _quantized(around(block), tmp_path, "u8s8-equalized")
    assert _decibels(quantized, taken) > NEAR_DB


def test_a_normalization_behind_a_concatenation_stays_in_float(tmp_path: Path) -> None:
    def block(build: Builder, features: str) -> str:
        joined = build.do("Concat", features, build.conv(features, WIDTH, WIDTH), axis=1)
        spread = build.constant(np.geomspace(0.01, 1, 2 * WIDTH).astype(np.float32))
        rest = [build.random(2 * WIDTH, gain=0.3), build.random(2 * WIDTH, gain=0.3)]
        variance = build.constant(np.linspace(0.3, 2, 2 * WIDTH).astype(np.float32))
        normed = build.do("Relu", build.do("BatchNormalization", joined, spread, *rest, variance))
        return build.conv(normed, 2 * WIDTH, WIDTH, kernel=1)

    quantized, _ = _quantized(around(block), tmp_path, "u8s8-equalized")
    norm = next(node for node in quantized.graph.node if node.op_type == "BatchNormalization")
    constants = {each.name for each in quantized.graph.initializer}
    assert constants.issuperset(norm.input[1:])


def test_a_relu_that_two_layers_read_leaves_no_pair_before_it(tmp_path: Path) -> None:
    def block(build: Builder, features: str) -> str:
        squeezed = build.do("Relu", build.conv(features, WIDTH, WIDTH, kernel=1))
        wide = [build.do("Relu", build.conv(squeezed, WIDTH, WIDTH // 2, kernel=kernel)) for kernel in (1, 3)]
        return build.do("Concat", *wide, axis=1)

    quantized, _ = _quantized(around(block), tmp_path, "u8s8-equalized")
    made = {name: node.op_type for node in quantized.graph.node for name in node.output}
    assert all(made[node.input[0]] != "DequantizeLinear" for node in quantized.graph.node if node.op_type == "Relu")


def test_half_precision_of_a_graph_with_casts_of_constants(tmp_path: Path) -> None:
    def block(build: Builder, features: str) -> str:
        scales = build.constant(np.array([1, 1, 2, 2], np.float32))
        return build.do("Resize", features, "", scales, mode="nearest")

    taken = any_graph.taken_in(around(block), tmp_path)
    half = float16.convert(taken, recipes.load("fp16"), _batches)
    half.graph.ClearField("value_info")
    onnx.checker.check_model(half, full_check=True)
    assert _decibels(half, taken) > 2 * NEAR_DB


def test_local_functions_of_an_old_opset_are_taken_in(tmp_path: Path) -> None:
    build = Builder()
    features = build.do("Relu", build.conv("x", 3, WIDTH, stride=2))
    build.nodes.append(helper.make_node("Swish", [features], ["swished"], domain="my"))
    build.scores(build.pooled("swished"), output="out")
    model = build.model()
    del model.opset_import[:]
    imports = [helper.make_opsetid("", 15), helper.make_opsetid("my", 1)]
    model.opset_import.extend(imports)
    parts = [helper.make_node("Sigmoid", ["v"], ["s"]), helper.make_node("Mul", ["v", "s"], ["w"])]
    model.functions.append(helper.make_function("my", "Swish", ["v"], ["w"], parts, imports[:1]))
    taken = any_graph.taken_in(model, tmp_path)
    assert "Sigmoid" in {node.op_type for node in taken.graph.node}


@pytest.mark.parametrize("provider", ["cpu", "openvino"])
def test_what_an_engine_has_no_int8_kernel_for_is_said_to_be_in_float(provider: str, tmp_path: Path) -> None:
    if provider == "openvino":
        pytest.importorskip("openvino")

    def block(build: Builder, features: str) -> str:
        rows = build.do("Transpose", build.do("Relu", build.conv(features, WIDTH, WIDTH)), perm=[0, 2, 3, 1])
        normed = build.do("LayerNormalization", rows, build.random(WIDTH, gain=1), build.random(WIDTH, gain=1))
        return build.do("Transpose", normed, perm=[0, 3, 1, 2])

    quantized, _ = _quantized(around(block), tmp_path, "u8s8-equalized")
    onnx.save(quantized, tmp_path / "int8.onnx")
    kept = float_here(tmp_path / "int8.onnx", provider, "int8")
    by_name = {node.name: node.op_type for node in quantized.graph.node}
    found = {by_name[name] for name in kept if name in by_name}
    assert "LayerNormalization" in found
    assert not found & {"Conv", "Gemm"}
    assert not float_here(tmp_path / "int8.onnx", "cuda", "int8")
