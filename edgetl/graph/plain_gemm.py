"""A fully-connected layer's factors and an odd bias become plain weights and a bias for each output.

Quantizers read neither: ONNX Runtime's drops ``beta`` and expects a bias of one axis.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgetl.graph.constants import constant, initializer

NAME = "plain-gemm"


def requires(node: ir.Node) -> bool:
    """Return whether ``node`` is a Gemm of constant weights and bias with a factor, or a bias that is broadcast."""
    if node.op_type != "Gemm" or node.attributes.get_int("transA", 0) != 0:
        return False
    known = [constant(value) for value in node.inputs[1:3] if value is not None]
    if any(array is None or array.dtype != np.float32 for array in known):
        return False
    outputs = _outputs(node)
    shapes = [array.shape for array in known[1:] if array is not None]
    if any(shape not in ((outputs,), *_broadcast(outputs)) for shape in shapes):
        return False
    return _factors(node) != (1.0, 1.0) or any(shape in _broadcast(outputs) for shape in shapes)


def call(node: ir.Node) -> None:
    """Multiply the factors into weights and bias, and give the bias a value for each output."""
    graph = node.graph
    assert isinstance(graph, ir.Graph)
    for place, factor in zip((1, 2), _factors(node), strict=True):
        old = node.inputs[place] if len(node.inputs) > place else None
        array = constant(old)
        if old is None or array is None or (place == 1 and factor == 1.0):
            continue
        product = (np.float64(factor) * array).astype(np.float32)
        if place == 2:
            product = np.broadcast_to(product.reshape(-1), (_outputs(node),)).copy()
        # A new name, since another node may share the old constant; what nobody reads is removed.
        node.replace_input_with(place, initializer(graph, f"{old.name}_plain", product))
        if not old.uses() and old.name is not None:
            del graph.initializers[old.name]
    for name in ("alpha", "beta"):
        node.attributes.pop(name, None)


def ensures(graph: ir.Graph) -> bool:
    """Return whether no such layer is left."""
    return not any(requires(node) for node in graph)


def _factors(node: ir.Node) -> tuple[float, float]:
    """Return what the weights and the bias are multiplied by; a bias that is not there by 1."""
    biased = len(node.inputs) > 2 and node.inputs[2] is not None
    return node.attributes.get_float("alpha", 1.0), node.attributes.get_float("beta", 1.0) if biased else 1.0


def _broadcast(outputs: int) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of a bias that is the same for all rows, other than (outputs,) itself."""
    return tuple(shape for shape in ((), (1,), (1, 1), (1, outputs)) if shape != (outputs,))


def _outputs(node: ir.Node) -> int:
    weights = constant(node.inputs[1])
    assert weights is not None
    return int(weights.shape[0 if node.attributes.get_int("transB", 0) else 1])
