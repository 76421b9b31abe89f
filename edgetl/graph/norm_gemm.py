"""A BatchNormalization of features moves into the fully-connected layer that reads it, which spares an operator.

It is what `norm` in a head leaves behind. Quantizers leave it in float; the layer alone runs in int8.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgetl.graph.constants import constant, initializer

NAME = "norm-gemm"

EPSILON = 1e-5


def requires(node: ir.Node) -> bool:
    """Return whether ``node`` normalizes features of shape (N, width) by constants, for one Gemm and nothing else."""
    if node.op_type != "BatchNormalization" or node.outputs[0].is_graph_output():
        return False
    uses = tuple(node.outputs[0].uses())
    if len(uses) != 1 or uses[0].node.op_type != "Gemm" or uses[0].idx != 0:
        return False
    gemm, attributes = uses[0].node, uses[0].node.attributes
    plain = attributes.get_float("alpha", 1.0) == attributes.get_float("beta", 1.0) == 1.0
    known = [constant(value) for value in (*node.inputs[1:5], *gemm.inputs[1:3])]
    return (
        plain
        and not attributes.get_int("transA", 0)
        and len(gemm.inputs) == 3
        and all(array is not None and array.dtype == np.float32 for array in known)
        and len(node.outputs) == 1
    )


def call(node: ir.Node) -> None:
    """Fold scale and shift into the weights and the bias of the Gemm, and let it read what was normalized."""
    graph, gemm = node.graph, next(iter(node.outputs[0].uses())).node
    scale, shift, mean, variance = (_wide(value) for value in node.inputs[1:5])
    weights, bias = (_wide(value) for value in gemm.inputs[1:3])
    assert isinstance(graph, ir.Graph)
    factor = scale / np.sqrt(variance + node.attributes.get_float("epsilon", EPSILON))
    # transB: (classes, width) instead of (width, classes).
    across = gemm.attributes.get_int("transB", 0)
    rows = weights if across else weights.T
    folded = rows * factor
    moved = bias + rows @ (shift - mean * factor)
    for place, array, kind in ((1, folded if across else folded.T, "weight"), (2, moved, "bias")):
        old = gemm.inputs[place]
        gemm.replace_input_with(place, initializer(graph, f"normed_{kind}", array.astype(np.float32)))
        if old is not None and not old.uses() and old.name is not None:
            del graph.initializers[old.name]
    gemm.replace_input_with(0, node.inputs[0])
    graph.remove(node, safe=True)


def ensures(graph: ir.Graph) -> bool:
    """Return whether no such normalization is left."""
    return not any(requires(node) for node in graph)


def _wide(value: ir.Value | None) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    array = constant(value)
    assert array is not None
    return array.astype(np.float64)
