"""Which size of a Reshape's target is the batch."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgetl.adopt import batch as batches
from edgetl.adopt.engine import Reference

B = batches._PROBE


@pytest.mark.parametrize(
    ("target", "source", "freed"),
    [
        ([1, 1280], [B, 1280, 1, 1], [-1, 1280]),
        ([1, -1], [B, 1280, 1, 1], [0, -1]),
        ([-1, 1280], [B, 1280, 1, 1], [-1, 1280]),
        ([256, 32], [B, 16, 16, 32], [-1, 32]),
        ([17, 64], [17, B, 64], [-1, 64]),
        ([17, 64], [17, B, 4, 16], [-1, 64]),
        ([17, 12, 16], [17, B, 192], [17, -1, 16]),
        ([17, 1, 192], [17 * B, 192], [17, -1, 192]),
        ([1, 2, 58, 28, 28], [B, 116, 28, 28], [-1, 2, 58, 28, 28]),
        ([B, 4], [B, 2, 2], [B, 4]),
        ([0, 4], [B, 2, 2], [0, 4]),
    ],
)
def test_the_batch_is_found(target: list[int], source: list[int], freed: list[int]) -> None:
    assert batches._freed(target, source, 1) == freed


def _model(nodes: list[onnx.NodeProto], constants: dict[str, NDArray[Any]], shape: list[Any]) -> onnx.ModelProto:
    """Return a model of (batch, 3, 2, 2) whose last node makes an output of ``shape``."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, 2, 2])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _freed(model: onnx.ModelProto, batch: int, expected: NDArray[np.float32], pixels: NDArray[np.float32]) -> None:
    """Assert that ``model``, made for ``batch``, gives what is expected of more images once it is freed."""
    batches.free(model, batch)
    found = Reference(model, None, "it").logits(pixels, "scores")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    onnx.checker.check_model(model)


def _pixels() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((5, 3, 2, 2)).astype(np.float32)


def test_a_class_token_is_repeated() -> None:
    token = np.arange(4, dtype=np.float32).reshape(1, 1, 4)
    nodes = [
        helper.make_node("Reshape", ["input", "target"], ["rows"]),
        helper.make_node("Concat", ["token", "rows"], ["joined"], axis=1),
        helper.make_node("ReduceSum", ["joined", "axes"], ["scores"], keepdims=0),
    ]
    constants = {"token": token, "target": np.array([1, 3, 4]), "axes": np.array([1])}
    pixels = _pixels()
    _freed(_model(nodes, constants, ["batch", 4]), 1, pixels.reshape(5, 3, 4).sum(1) + token[0], pixels)


def _gathered() -> list[onnx.NodeProto]:
    """Return the pool of a channels-last network as torch writes it."""
    return [
        helper.make_node("Reshape", ["input", "flat"], ["values"]),
        helper.make_node("Gather", ["values", "order"], ["rows"], axis=0),
    ]


@pytest.mark.parametrize("batch", [1, 2])
def test_a_view_written_as_a_gather_takes_any_batch(batch: int) -> None:
    order = np.arange(batch * 12).reshape(batch, 3, 4)
    nodes = [*_gathered(), helper.make_node("ReduceSum", ["rows", "axes"], ["scores"], keepdims=0)]
    constants = {"flat": np.array([-1]), "order": order, "axes": np.array([2])}
    pixels = _pixels()
    _freed(_model(nodes, constants, ["batch", 3]), batch, pixels.sum((2, 3)), pixels)


@pytest.mark.parametrize("order", [range(11, -1, -1), range(6)], ids=["another order", "some of the values"])
def test_another_gather_stays(order: range) -> None:
    places = np.array(order).reshape(1, 3, -1)
    model = _model(_gathered(), {"flat": np.array([-1]), "order": places}, ["batch", 3, None])
    kept = onnx.ModelProto()
    kept.CopyFrom(model)
    batches.free(model, 1)
    assert model == kept
