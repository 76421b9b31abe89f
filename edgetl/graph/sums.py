"""A Sum becomes Adds: the same values, in the operator that quantizers know."""

from __future__ import annotations

import onnx_ir as ir

NAME = "sums"


def requires(node: ir.Node) -> bool:
    """Return whether ``node`` is a Sum of two values or more."""
    return node.op_type == "Sum" and len(node.inputs) > 1


def call(node: ir.Node) -> None:
    """Put a chain of Adds in the place of ``node``; the last has its name."""
    assert node.graph is not None
    made: list[ir.Node] = []
    total = node.inputs[0]
    for index, value in enumerate(node.inputs[1:], start=1):
        last = index == len(node.inputs) - 1
        made.append(ir.node("Add", [total, value], name=node.name if last else f"{node.name}_{index}"))
        total = made[-1].outputs[0]
    ir.convenience.replace_nodes_and_values(node.graph, node, [node], made, node.outputs, made[-1].outputs)


def ensures(graph: ir.Graph) -> bool:
    """Return whether no such Sum is left."""
    return not any(requires(node) for node in graph)
