"""The constant weights of a layer: their range, and how uneven its channels are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from edgetl.quantization.explain.values import Weights
from edgetl.quantization.pairs import COMPUTE


def weights_of(node: onnx.NodeProto, constants: Mapping[str, TensorProto]) -> NDArray[np.float32] | None:
    """Return the weights of a layer of the float model, (output channels, all the rest); None where it has none."""
    tensor = constants.get(node.input[1]) if node.op_type in COMPUTE and len(node.input) > 1 else None
    if tensor is None:
        return None
    values: NDArray[np.float32] = numpy_helper.to_array(tensor)
    return np.moveaxis(values, _channel_axis(node, values.ndim), 0).reshape(-1, values.size // _channels(node, values))


def described(values: NDArray[np.float32]) -> Weights:
    """Return the range and the spread of weights (output channels, rest)."""
    widest = np.abs(values).max(axis=1)
    live = widest[widest > 0]
    spread = float(live.max() / live.min()) if live.size else 1.0
    return Weights(low=float(values.min()), high=float(values.max()), spread=spread)


def _channels(node: onnx.NodeProto, values: NDArray[np.float32]) -> int:
    return int(values.shape[_channel_axis(node, values.ndim)])


def _channel_axis(node: onnx.NodeProto, dimensions: int) -> int:
    if node.op_type == "Gemm":
        return 0 if any(each.name == "transB" and each.i for each in node.attribute) else 1
    return {"Conv": 0, "ConvTranspose": 1, "MatMul": dimensions - 1}[node.op_type]
