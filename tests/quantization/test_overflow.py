"""Weights for x86-64 without VNNI: no pair of products leaves 16 bits, and more than 7 bits are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnx_ir")
ort = pytest.importorskip("onnxruntime")

from onnx import helper  # noqa: E402

from edgetl import recipes  # noqa: E402
from edgetl.device.bundle.signal import sqnr_db  # noqa: E402
from edgetl.quantization.calibration.observe import session  # noqa: E402
from edgetl.quantization.engines import static  # noqa: E402
from edgetl.recipes import Recipe  # noqa: E402
from tests.tiny_graph import batches, graph_of  # noqa: E402

pytestmark = pytest.mark.engine

RECIPE = recipes.load("u8s8-minmax").model_copy(update={"reduce_range": True})
MOST, SEVEN_BITS = 128, 64
WIDE = 64


def _network() -> Any:
    """Two convolutions, the second as wide as engines have kernels for, and a layer; each has a channel of nothing."""
    rng = np.random.default_rng(0)
    shapes = {"w1": (WIDE, 3, 3, 3), "w2": (WIDE, WIDE, 3, 3), "w3": (4, WIDE)}
    constants = {name: rng.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}
    for weights in constants.values():
        weights[-1] = 0
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], name="conv_1"),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu_1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], name="conv_2"),
        helper.make_node("Relu", ["c2"], ["r2"], name="relu_2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["features"], name="flatten"),
        helper.make_node("Gemm", ["features", "w3"], ["y"], name="gemm", transB=1),
    ]
    return graph_of(nodes, constants)


def _quantized(recipe: Recipe = RECIPE) -> Any:
    return static.quantize(_network(), recipe, batches)


def _weights(quantized: Any) -> dict[str, Any]:
    constants = {each.name: each for each in quantized.graph.initializer}
    names = ("w1", "w2", "w3")
    return {name: onnx.numpy_helper.to_array(constants[f"{name}_quantized"]).astype(int) for name in names}


def _largest_sum(products: Any) -> int:
    """The largest magnitude of two neighbours' sum of one row (rows, products)."""
    even = np.pad(products, ((0, 0), (0, products.shape[1] % 2)))
    first, second = even[:, ::2], even[:, 1::2]
    # What has the other sign may be multiplied by zero.
    same = np.sign(first) == np.sign(second)
    return int(np.where(same, abs(first + second), np.maximum(abs(first), abs(second))).max())


@pytest.mark.parametrize("per_channel", [True, False])
def test_no_two_weights_that_are_added_exceed_what_16_bits_hold(per_channel: bool) -> None:
    found = _weights(_quantized(RECIPE.model_copy(update={"per_channel": per_channel})))
    for weights in found.values():
        rows = np.moveaxis(weights, 1, -1).reshape(len(weights), -1)
        assert _largest_sum(rows) <= MOST
        assert abs(weights).max() > SEVEN_BITS
    # Three input channels are filled up to four by one engine, which begins each position anew.
    by_position = np.moveaxis(found["w1"], 1, -1).reshape(-1, 3)
    assert _largest_sum(by_position) <= MOST


def test_eight_bits_would_exceed_it() -> None:
    found = _weights(_quantized(RECIPE.model_copy(update={"reduce_range": False})))
    rows = np.moveaxis(found["w2"], 1, -1).reshape(WIDE, -1)
    assert _largest_sum(rows) > MOST


def test_a_channel_of_zeros_stays_zero() -> None:
    assert not _weights(_quantized())["w2"][-1].any()


@pytest.fixture(scope="module")
def bright() -> Any:
    """Images for which most products are as large as they can be."""
    return np.where(np.concatenate(list(batches())) > 40, np.uint8(255), np.uint8(0))


def test_onnx_runtime_sums_exactly(bright: Any) -> None:
    quantized = _quantized()
    exact = session(quantized).run(None, {"image": bright})[0]
    plain = ort.InferenceSession(quantized.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(plain.run(None, {"image": bright})[0], exact, atol=1e-5)


def test_openvino_sums_exactly_up_to_its_rounding(bright: Any, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    quantized = _quantized()
    onnx.save(quantized, tmp_path / "model.onnx")
    exact = session(quantized).run(None, {"image": bright})[0]
    compiled = openvino.Core().compile_model(tmp_path / "model.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert sqnr_db(compiled(bright)[0], exact) > 30
