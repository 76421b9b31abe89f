"""A scale between two quantized tensors disappears where it only gives the same integers another unit.

::

    Q(s) ─▶ DQ(s) ─▶ Mul(c) ─▶ Q(c s) ─▶ DQ(c s)   becomes   Q(s) ─▶ DQ(c s)

It is written as a rewrite of a graph with Q/DQ pairs; here it is exact: the integers stay as they were.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgetl.graph.constants import constant

NAME = "absorbed-scale"

# Of two scales, relatively. Below half a step in 255 the integers are equal; this is far below it, and above rounding.
TOLERANCE = 1e-5


def requires(node: ir.Node) -> bool:
    """Return whether ``node`` multiplies a dequantized tensor by a scalar, and quantizing gives the integers back."""
    if node.op_type != "Mul" or node.outputs[0].is_graph_output():
        return False
    uses = tuple(node.outputs[0].uses())
    if len(uses) != 1 or uses[0].node.op_type != "QuantizeLinear" or uses[0].idx != 0:
        return False
    dequantizer, factor = _operands(node)
    if dequantizer is None or factor is None or uses[0].node.outputs[0].is_graph_output():
        return False
    (before, zero_before), (after, zero_after) = _parameters(dequantizer), _parameters(uses[0].node)
    if any(each is None or each.size != 1 for each in (before, zero_before, after, zero_after)):
        return False
    assert before is not None and zero_before is not None and after is not None and zero_after is not None
    same_zero = zero_before.dtype == zero_after.dtype and zero_before.item() == zero_after.item()
    return same_zero and abs(before.item() * factor - after.item()) <= TOLERANCE * after.item()


def call(node: ir.Node) -> None:
    """Let what reads the second quantized tensor read the first, and remove what lay between."""
    graph, quantizer = node.graph, next(iter(node.outputs[0].uses())).node
    dequantizer, _ = _operands(node)
    assert isinstance(graph, ir.Graph) and dequantizer is not None and dequantizer.inputs[0] is not None
    quantizer.outputs[0].replace_all_uses_with(dequantizer.inputs[0])
    graph.remove((quantizer, node), safe=True)


def ensures(graph: ir.Graph) -> bool:
    """Return whether no such scale is left."""
    return not any(requires(node) for node in graph)


def _operands(node: ir.Node) -> tuple[ir.Node | None, float | None]:
    """Return what dequantizes the tensor that ``node`` multiplies, and the scalar; None for what is not so."""
    for tensor, scalar in (node.inputs, node.inputs[::-1]):
        factor, producer = _scalar(scalar), tensor.producer() if tensor is not None else None
        if factor is not None and producer is not None and producer.op_type == "DequantizeLinear":
            return producer, factor
    return None, None


def _scalar(value: ir.Value | None) -> float | None:
    """Return a scalar constant, which the quantizer may have quantized."""
    array = constant(value)
    producer = value.producer() if value is not None else None
    if array is None and producer is not None and producer.op_type == "DequantizeLinear":
        integers, (scale, zero) = constant(producer.inputs[0]), _parameters(producer)
        if integers is not None and scale is not None and zero is not None:
            array = (integers.astype(np.float64) - zero) * scale
    return float(array.item()) if array is not None and array.size == 1 else None


def _parameters(node: ir.Node) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """Return scale and zero point of a Q or DQ node."""
    return constant(node.inputs[1]), constant(node.inputs[2]) if len(node.inputs) > 2 else None
