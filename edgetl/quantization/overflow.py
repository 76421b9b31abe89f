"""Ranges of weights for x86-64 without VNNI, whose VPMADDUBSW adds two products of 8 bits in 16 bits and saturates.

The products are those of activations (0 to 255) and weights (-127 to 127), and 255 * 128 is the most that fits. So no
two weights whose products are added may have more than 128 together. The usual remedy, 7-bit weights, halves all of
them for the sake of the few pairs in which both are large and have one sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

Weights = NDArray[np.float32]


def weight_ranges(model: onnx.ModelProto, *, per_channel: bool) -> Mapping[str, list[dict[str, Any]]]:
    """Return the ranges of all layers' constant weights, as "TensorQuantOverrides" of ONNX Runtime's quantizer.

    A range reaches as far as the largest sum of two weights that are added: rounded to integers, they are at most 128.
    """
    ranges: dict[str, list[dict[str, Any]]] = {}
    for name, axis, orders in _layers(model):
        reach = np.max([_largest_sums(order) for order in orders], axis=0)
        each = [{"rmin": -value, "rmax": value, "reduce_range": False} for value in reach]
        # Of the range of a whole tensor there is one, without an axis.
        whole = {"rmin": -reach.max(), "rmax": reach.max(), "reduce_range": False}
        ranges[name] = [value | {"axis": axis} for value in each] if per_channel else [whole]
    return ranges


def _layers(model: onnx.ModelProto) -> Iterator[tuple[str, int, Sequence[Weights]]]:
    """Yield the name of each layer's weights, the axis of its output channels, and the orders in which engines add.

    An order is an array (output channels, products): the first two are added, the next two, and so on.
    """
    constants = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or node.input[1] not in constants:
            continue
        weights = numpy_helper.to_array(constants[node.input[1]])
        if node.op_type == "Conv":
            yield node.input[1], 0, _of_convolution(weights)
        elif weights.ndim == 2:
            across = any(each.name == "transB" and each.i for each in node.attribute)
            yield node.input[1], 0 if across else 1, [weights if across else weights.T]


def _of_convolution(weights: Weights) -> Sequence[Weights]:
    """Return the orders of weights (output channels, input channels, ...).

    All engines take the input channels of one position after those of another. An odd number of them is filled up
    (oneDNN), or the last is added to the first of the next position (MLAS).
    """
    outputs, inputs = weights.shape[:2]
    by_position = np.moveaxis(weights, 1, -1).reshape(outputs, -1, inputs)
    filled = np.pad(by_position, ((0, 0), (0, 0), (0, inputs % 2)))
    return [filled.reshape(outputs, -1), by_position.reshape(outputs, -1)]


def _largest_sums(order: Weights) -> Weights:
    """Return the largest magnitude (output channels,) of a weight, and of two of one sign that are added."""
    pairs = np.pad(order, ((0, 0), (0, order.shape[1] % 2))).reshape(len(order), -1, 2)
    sums = [np.maximum(sign * pairs, 0).sum(axis=2) for sign in (1, -1)]
    largest: Weights = np.max(sums, axis=(0, 2))
    return largest
