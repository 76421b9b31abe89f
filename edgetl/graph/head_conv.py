"""A last convolution on pooled features becomes the fully-connected layer that it is, as in Keras' MobileNets.

Its logits can then leave the integers as floats; a convolution's would have 256 steps from the smallest to the largest.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgetl.graph.constants import constant, initializer

NAME = "head-conv"

_FLATTEN = ("Flatten", "Reshape", "Squeeze")


def requires(node: ir.Node) -> bool:
    """Return whether ``node`` makes (N, classes) of what a convolution alone makes of globally pooled features."""
    if node.op_type not in _FLATTEN or node.inputs[0] is None:
        return False
    shape, conv = node.outputs[0].shape, node.inputs[0].producer()
    if shape is None or shape.rank() != 2 or conv is None or conv.op_type != "Conv" or conv.inputs[0] is None:
        return False
    pool = conv.inputs[0].producer()
    alone = len(tuple(conv.outputs[0].uses())) == 1 and not conv.outputs[0].is_graph_output()
    if pool is None or pool.op_type != "GlobalAveragePool" or not alone:
        return False
    kernel, plain = constant(conv.inputs[1]), conv.attributes.get_int("group", 1) == 1
    # Padded it would make several values of one.
    plain = plain and not any(conv.attributes.get_ints("pads", ()))
    known = all(constant(value) is not None for value in conv.inputs[2:] if value is not None)
    # What is not flattened channel by channel has another number of columns.
    return plain and known and kernel is not None and kernel.shape[2:] == (1, 1) and shape[1] == kernel.shape[0]


def call(node: ir.Node) -> None:
    """Flatten the pooled features and put a Gemm in the place of convolution and ``node``; it has the former's name."""
    graph, conv = node.graph, node.inputs[0].producer() if node.inputs[0] is not None else None
    assert isinstance(graph, ir.Graph) and conv is not None and conv.inputs[1] is not None
    kernel = constant(conv.inputs[1])
    assert kernel is not None
    weights = initializer(graph, f"{conv.inputs[1].name}_matrix", np.ascontiguousarray(kernel[:, :, 0, 0]))
    flat = ir.node("Flatten", [conv.inputs[0]], {"axis": 1}, name=f"{conv.name}_flat")
    bias = [value for value in conv.inputs[2:3] if value is not None]
    gemm = ir.node("Gemm", [flat.outputs[0], weights, *bias], {"transB": 1}, name=conv.name)
    old = conv.inputs[1]
    ir.convenience.replace_nodes_and_values(graph, node, [node, conv], [flat, gemm], node.outputs, gemm.outputs)
    if not old.uses() and old.name is not None:
        del graph.initializers[old.name]


def ensures(graph: ir.Graph) -> bool:
    """Return whether no such convolution is left."""
    return not any(requires(node) for node in graph)
