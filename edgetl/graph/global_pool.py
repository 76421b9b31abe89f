"""Global pooling written as a mean becomes GlobalAveragePool, which ONNX Runtime can quantize and a mean it cannot."""

from __future__ import annotations

import onnx_ir as ir

from edgetl.graph.constants import constant

NAME = "global-pool"


def requires(node: ir.Node) -> bool:
    """Return whether ``node`` averages an NCHW tensor over its two image axes and keeps them."""
    if node.op_type != "ReduceMean" or not node.attributes.get_int("keepdims", 1):
        return False
    features = node.inputs[0]
    axes = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    if features is None or features.shape is None or features.shape.rank() != 4 or axes is None:
        return False
    return sorted(int(axis) % 4 for axis in axes.ravel()) == [2, 3]


def call(node: ir.Node) -> None:
    """Put a GlobalAveragePool in the place of ``node``."""
    assert node.graph is not None
    pool = ir.node("GlobalAveragePool", inputs=[node.inputs[0]], name=node.name)
    ir.convenience.replace_nodes_and_values(node.graph, node, [node], [pool], node.outputs, pool.outputs)


def ensures(graph: ir.Graph) -> bool:
    """Return whether no such mean is left."""
    return not any(requires(node) for node in graph)
