"""A Q/DQ pair between a convolution and an activation function that runs in float anyway disappears.

OpenVINO computes HardSwish in float inside the convolution before it, and rounds to int8 once, behind it. A pair in
between makes it round twice and run the function by itself. It is written as a rewrite of a graph with Q/DQ pairs.
"""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

NAME = "unpaired-activation"

_FUNCTIONS = ("HardSwish", "HardSigmoid", "Sigmoid")
_COMPUTE = ("Conv", "Gemm")


def requires(node: ir.Node) -> bool:
    """Return whether ``node`` dequantizes what a convolution or product gave, for such functions and nothing else."""
    return is_between(node, _COMPUTE, _FUNCTIONS)


def is_between(node: ir.Node, sources: Collection[str], functions: Collection[str]) -> bool:
    """Return whether ``node`` dequantizes what an operator of ``sources`` gave, for ``functions`` and nothing else."""
    if node.op_type != "DequantizeLinear" or node.outputs[0].is_graph_output():
        return False
    quantizer = node.inputs[0].producer() if node.inputs[0] is not None else None
    if quantizer is None or quantizer.op_type != "QuantizeLinear" or quantizer.inputs[0] is None:
        return False
    source = quantizer.inputs[0].producer()
    readers = [use.node.op_type for use in node.outputs[0].uses()]
    return source is not None and source.op_type in sources and bool(readers) and set(readers) <= set(functions)


def call(node: ir.Node) -> None:
    """Let the functions read what was quantized; the pair goes unless another reads it too."""
    graph, quantizer = node.graph, node.inputs[0].producer() if node.inputs[0] is not None else None
    assert isinstance(graph, ir.Graph) and quantizer is not None and quantizer.inputs[0] is not None
    node.outputs[0].replace_all_uses_with(quantizer.inputs[0])
    graph.remove(node, safe=True)
    if not quantizer.outputs[0].uses() and not quantizer.outputs[0].is_graph_output():
        graph.remove(quantizer, safe=True)


def ensures(graph: ir.Graph) -> bool:
    """Return whether no such pair is left."""
    return not any(requires(node) for node in graph)
