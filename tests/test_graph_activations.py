"""Activation functions written for int8: the logits stay, and ONNX Runtime runs them in integers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ir = pytest.importorskip("onnx_ir")
ort = pytest.importorskip("onnxruntime")

from onnx import helper  # noqa: E402

from edgetl import recipes  # noqa: E402
from edgetl.graph import hard_sigmoid, hard_swish  # noqa: E402
from edgetl.quantization import absorb  # noqa: E402
from edgetl.quantization.calibration.observe import calibrate  # noqa: E402
from edgetl.quantization.engines import insert, static  # noqa: E402
from tests.tiny_graph import batches, graph_of, logits, operators, rewritten  # noqa: E402

pytestmark = pytest.mark.engine


def _kernel(outputs: int, inputs: int, scale: float) -> Any:
    return (np.random.default_rng(outputs).standard_normal((outputs, inputs, 1, 1)) * scale).astype(np.float32)


def _gated(bias: bool = True, shared: bool = False, extra_reader: bool = False, behind: str = "Conv") -> Any:
    constants = {"w": _kernel(3, 3, 0.01), "v": _kernel(4, 3, 0.01)}
    inputs = ["x", "w"]
    if bias:
        constants["b"] = np.array([0.5, -1, 2], np.float32)
        inputs.append("b")
    first = (
        helper.make_node("Conv", inputs, ["c"], name="conv")
        if behind == "Conv"
        else helper.make_node("Relu", ["x"], ["c"])
    )
    nodes = [first, helper.make_node("HardSigmoid", ["c"], ["h"], name="gate", alpha=1 / 6)]
    nodes.append(helper.make_node("Mul", ["x", "h"], ["m"], name="gated"))
    if shared or extra_reader:
        nodes.append(
            helper.make_node("Conv", inputs, ["other"], name="shares")
            if shared
            else helper.make_node("Relu", ["c"], ["other"], name="reads")
        )
        nodes.append(helper.make_node("Concat", ["m", "other"], ["y"], axis=1, name="both"))
    else:
        nodes.append(helper.make_node("Conv", ["m", "v"], ["y"], name="last"))
    return graph_of(nodes, constants)


def _swished(extra_reader: bool = False) -> Any:
    """Two convolutions with a HardSwish between, whose input goes far below -3."""
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], name="first"),
        helper.make_node("HardSwish", ["c"], ["h"], name="swish"),
        helper.make_node("Conv", ["h", "v"], ["y" if not extra_reader else "d"], name="last"),
    ]
    if extra_reader:
        nodes.append(helper.make_node("Concat", ["c", "d"], ["y"], axis=1, name="both"))
    return graph_of(nodes, {"w": _kernel(6, 3, 0.05), "b": np.full(6, -4, np.float32), "v": _kernel(4, 6, 0.5)})


def _runs_as(proto: Any, folder: Any) -> Counter[str]:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return operators(onnx.load(folder / "optimized.onnx"))


def _signal_to_noise_db(expected: Any, found: Any) -> float:
    return float(10 * np.log10(np.sum(expected**2) / np.sum((expected - found) ** 2)))


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"shared": True}])
def test_a_hard_sigmoid_behind_a_convolution_becomes_a_clip(options: dict[str, bool]) -> None:
    before = _gated(**options)
    after, count = rewritten(before, hard_sigmoid)
    assert count == 1
    assert operators(after)["Clip"] == 1
    assert "HardSigmoid" not in operators(after)
    assert np.ptp(logits(before)) > 1
    np.testing.assert_allclose(logits(after), logits(before), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("options", [{"extra_reader": True}, {"behind": "Relu"}])
def test_a_hard_sigmoid_that_cannot_move_stays(options: dict[str, Any]) -> None:
    before = _gated(**options)
    after, count = rewritten(before, hard_sigmoid)
    assert count == 0
    assert operators(after) == operators(before)


def test_a_hard_swish_is_split_and_its_name_stays() -> None:
    before = _swished()
    after, count = rewritten(before, hard_swish)
    assert count == 1
    assert "HardSwish" not in operators(after)
    names = [node.name for node in after.graph.node]
    assert "swish" in names
    assert len(set(names)) == len(names)
    np.testing.assert_allclose(logits(after), logits(before), rtol=1e-5, atol=1e-5)


def test_what_is_zero_after_a_hard_swish_takes_no_part_of_the_range() -> None:
    recipe = recipes.load("u8s8-minmax")
    for model in (_swished(), rewritten(_swished(), hard_swish)[0]):
        ranges = calibrate(model, batches(), recipe)
        assert ranges["c"].low == -3
        assert ranges["c"].high > 3
    # What another node reads as well must keep all of it.
    for model in (_swished(extra_reader=True), rewritten(_swished(extra_reader=True), hard_swish)[0]):
        assert calibrate(model, batches(), recipe)["c"].low < -10


@pytest.mark.parametrize("name", ["u8s8-percentile", "u8s8-mean-minmax", "s8s8-asymmetric", "u8u8-percentile"])
def test_a_scaled_clip_has_the_range_of_its_bounds(name: str) -> None:
    ranges = calibrate(rewritten(_swished(), hard_swish)[0], batches(), recipes.load(name))
    assert (ranges["swish_clipped"].low, ranges["swish_clipped"].high) == (0, 6)
    assert ranges["swish_shifted"] == ranges["swish_clipped"]
    assert (ranges["swish_gate"].low, ranges["swish_gate"].high) == pytest.approx((0, 1))


@pytest.mark.parametrize("build", [_swished, _gated])
def test_int8_runs_in_integers_throughout(build: Any, tmp_path: Any) -> None:
    model = build()
    quantized = static.quantize(model, recipes.load("u8s8-minmax"), batches)
    onnx.checker.check_model(quantized, full_check=True)
    ran = _runs_as(quantized, tmp_path)
    assert not {"Mul", "Add", "Clip", "HardSwish", "HardSigmoid", "Conv", "FusedConv"} & set(ran)
    assert ran["QuantizeLinear"] == ran["DequantizeLinear"] == 1
    assert ran["QLinearMul"] == 1
    assert _signal_to_noise_db(logits(model), logits(quantized)) > 25


def test_absorbing_a_scale_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipes.load("u8s8-minmax")
    absorbed = static.quantize(_swished(), recipe, batches)
    monkeypatch.setattr(absorb, "requires", lambda node: False)
    plain = static.quantize(_swished(), recipe, batches)
    assert operators(plain)["Mul"] == 2
    assert operators(absorbed)["Mul"] == 1
    np.testing.assert_array_equal(logits(absorbed), logits(plain))


def test_a_scale_to_other_integers_is_not_absorbed() -> None:
    model = static.prepare(_swished(), recipes.load("u8s8-minmax"), batches)
    ranges = calibrate(model, batches(), recipes.load("u8s8-minmax"))
    wider = ranges | {"swish_gate": type(ranges["swish_gate"])(0.0, 1.1)}
    assert operators(insert.insert_pairs(model, recipes.load("u8s8-minmax"), wider))["Mul"] == 2


def test_models_for_other_readers_keep_their_operators() -> None:
    quantized = static.quantize(_swished(), recipes.load("s8s8-symmetric"), batches)
    assert operators(quantized)["HardSwish"] == 1


def _quantized_openvino() -> tuple[Any, Any]:
    model = _swished()
    return model, static.quantize(model, recipes.load("u8s8-openvino"), batches)


def test_for_openvino_a_convolution_and_its_function_have_no_pair_in_between() -> None:
    model, quantized = _quantized_openvino()
    onnx.checker.check_model(quantized, full_check=True)
    makers = {name: node.op_type for node in quantized.graph.node for name in node.output}
    functions = [node for node in quantized.graph.node if node.op_type == "HardSwish"]
    assert functions and len(functions) == sum(node.op_type == "HardSwish" for node in model.graph.node)
    assert all(makers[node.input[0]] == "Conv" for node in functions)
    # What the function gives is quantized for whoever computes next.
    convolutions = [node for node in quantized.graph.node if node.op_type == "Conv"]
    assert all(makers[node.input[0]] == "DequantizeLinear" for node in convolutions)


def test_the_pairs_that_go_for_openvino_cost_no_accuracy() -> None:
    model, quantized = _quantized_openvino()
    with_pairs = static.quantize(
        model, recipes.load("u8s8-openvino").model_copy(update={"layout": "onnxruntime"}), batches
    )
    expected = logits(model)
    error, other = (float(np.square(logits(each) - expected).mean()) for each in (quantized, with_pairs))
    assert 0 < error <= 1.1 * other
