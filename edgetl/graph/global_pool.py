"""Global pooling written as a mean becomes GlobalAveragePool, which ONNX Runtime can quantize and a mean it cannot."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgetl.graph.constants import constant

NAME = "global-pool"


def requires(node: ir.Node) -> bool:
    """Return whether ``node`` averages an NCHW tensor over its two image axes."""
    if node.op_type != "ReduceMean":
        return False
    features = node.inputs[0]
    if features is None or features.shape is None or features.shape.rank() != 4:
        return False
    return sorted(axis % 4 for axis in _axes(node)) == [2, 3]


def call(node: ir.Node) -> None:
    """Put a GlobalAveragePool in the place of ``node``, and a Flatten behind it where the mean drops its axes."""
    assert node.graph is not None
    pool = ir.node("GlobalAveragePool", inputs=[node.inputs[0]], name=node.name)
    made = [pool]
    if not node.attributes.get_int("keepdims", 1):
        made += [ir.node("Flatten", [pool.outputs[0]], {"axis": 1}, name=f"{node.name}_flat")]
    ir.convenience.replace_nodes_and_values(node.graph, node, [node], made, node.outputs, made[-1].outputs)


def ensures(graph: ir.Graph) -> bool:
    """Return whether no such mean is left."""
    return not any(requires(node) for node in graph)


def _axes(node: ir.Node) -> Sequence[int]:
    """Return the axes: an input since opset 18, an attribute before."""
    given = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    return node.attributes.get_ints("axes", ()) if given is None else [int(axis) for axis in given.ravel()]
