"""Reading constants in a graph."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray


def constant(value: ir.Value | None) -> NDArray[Any] | None:
    """Return the array of an initializer, or None for what is only known when the model runs."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    array: NDArray[Any] = value.const_value.numpy()
    return array


def initializer(graph: ir.Graph, name: str, array: NDArray[Any]) -> ir.Value:
    """Return a new initializer of ``graph``, called ``name`` or, where that is taken, with a number behind it."""
    numbered = (name, *(f"{name}.{number}" for number in range(1, len(graph.initializers) + 1)))
    name = next(each for each in numbered if each not in graph.initializers)
    value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
    value.dtype, value.shape = ir.DataType.from_numpy(array.dtype), ir.Shape(array.shape)
    graph.register_initializer(value)
    return value
