"""Fully-connected layers of pooled features as convolutions: the logits stay, and OpenVINO runs them as such."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnx_ir")
pytest.importorskip("onnxruntime")

from onnx import helper  # noqa: E402

from edgetl import recipes  # noqa: E402
from edgetl.graph import pooled_gemm  # noqa: E402
from edgetl.quantization.engines import static  # noqa: E402
from tests.tiny_graph import batches, graph_of, logits, operators, rewritten  # noqa: E402

pytestmark = pytest.mark.engine

WIDE, CLASSES = 5, 4


def _classifier(
    *,
    flatten: str = "Flatten",
    across: int = 1,
    bias: bool = True,
    pooled: bool = True,
    function: str | None = "HardSwish",
    extra_reader: bool = False,
    alpha: float = 1.0,
) -> Any:
    """Pooled features of an image through a layer named "wide", perhaps a function, and one named "last"."""
    generator = np.random.default_rng(0)
    inputs = 3 if pooled else 3 * 8 * 8
    weights = generator.standard_normal((WIDE, inputs)).astype(np.float32) / inputs
    constants: dict[str, Any] = {
        "w": weights if across else weights.T.copy(),
        "v": generator.standard_normal((CLASSES, WIDE)).astype(np.float32),
        "c": np.arange(CLASSES, dtype=np.float32),
    }
    if bias:
        constants["b"] = np.linspace(-2, 2, WIDE, dtype=np.float32)
    if flatten == "Reshape":
        constants["shape"] = np.array([-1, inputs], np.int64)
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["p"], name="pool")] if pooled else []
    nodes += [
        helper.make_node(flatten, ["p" if pooled else "x", *(["shape"] if flatten == "Reshape" else [])], ["flat"]),
        helper.make_node(
            "Gemm", ["flat", "w", *(["b"] if bias else [])], ["l"], name="wide", transB=across, alpha=alpha
        ),
    ]
    if function:
        nodes.append(helper.make_node(function, ["l"], ["f"], name="function"))
    nodes.append(
        helper.make_node("Gemm", ["f" if function else "l", "v", "c"], ["d" if extra_reader else "y"], "last", transB=1)
    )
    if extra_reader:
        nodes.append(helper.make_node("Concat", ["l", "d"], ["y"], axis=1, name="both"))
    return graph_of(nodes, constants)


@pytest.mark.parametrize(
    "options",
    [{}, {"flatten": "Reshape"}, {"across": 0}, {"bias": False}, {"function": None}, {"extra_reader": True}],
    ids=str,
)
def test_a_layer_of_pooled_features_becomes_a_convolution(options: dict[str, Any]) -> None:
    before = _classifier(**options)
    after, count = rewritten(before, pooled_gemm)
    onnx.checker.check_model(after, full_check=True)
    assert count == 1
    assert operators(after)["Conv"] == operators(after)["Gemm"] == 1
    assert next(node.name for node in after.graph.node if node.op_type == "Conv") == "wide"
    assert np.ptp(logits(before)) > 1
    np.testing.assert_allclose(logits(after), logits(before), rtol=1e-5, atol=1e-5)


def test_the_function_follows_the_convolution_at_once() -> None:
    after, _ = rewritten(_classifier(), pooled_gemm)
    makers = {name: node.op_type for node in after.graph.node for name in node.output}
    assert [makers[node.input[0]] for node in after.graph.node if node.op_type == "HardSwish"] == ["Conv"]


@pytest.mark.parametrize("options", [{"pooled": False}, {"alpha": 0.5}], ids=str)
def test_another_product_stays(options: dict[str, Any]) -> None:
    before = _classifier(**options)
    after, count = rewritten(before, pooled_gemm)
    assert count == 0
    assert operators(after) == operators(before)


def test_only_seven_bit_weights_for_openvino_make_a_convolution_and_the_logits_stay_in_float() -> None:
    model = _classifier()
    kept = static.quantize(model, recipes.load("u8s8-openvino"), batches)
    assert "Conv" not in operators(kept)
    quantized = static.quantize(model, recipes.load("u8s8-openvino-reduced-range"), batches)
    onnx.checker.check_model(quantized, full_check=True)
    makers = {name: node.op_type for node in quantized.graph.node for name in node.output}
    reads = {node.name: {makers.get(name) for name in node.input} for node in quantized.graph.node}
    assert reads["wide"] == {"DequantizeLinear"}
    assert "DequantizeLinear" not in reads["last"]
    found, expected = logits(quantized), logits(model)
    assert 0 < np.abs(found - expected).max() < 0.05 * np.ptp(expected)
