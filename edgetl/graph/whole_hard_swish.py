"""HardSwish written as ``x * HardSigmoid(x)``, as torch's older exporter does, becomes the one operator that it is.

In float it is the faster, and the quantizers' rewrites and engines know it by this name.
"""

from __future__ import annotations

import onnx_ir as ir

NAME = "whole-hard-swish"

# Since when ONNX has HardSwish.
OPSET = 14
ALPHA, BETA = 1 / 6, 0.5
# Of what an exporter writes in float32.
_ROUNDING = 1e-6


def requires(node: ir.Node) -> bool:
    """Return whether ``node`` multiplies a value by its HardSigmoid of slope 1/6, which nothing else reads."""
    if node.op_type != "Mul" or node.graph is None or node.graph.opset_imports.get("", 0) < OPSET:
        return False
    return _gate(node) is not None


def call(node: ir.Node) -> None:
    """Put a HardSwish in the place of both."""
    gate = _gate(node)
    assert gate is not None and node.graph is not None
    whole = ir.node("HardSwish", [gate.inputs[0]], name=node.name)
    ir.convenience.replace_nodes_and_values(node.graph, node, [node, gate], [whole], node.outputs, whole.outputs)


def ensures(graph: ir.Graph) -> bool:
    """Return whether no such product is left."""
    return not any(requires(node) for node in graph)


def _gate(node: ir.Node) -> ir.Node | None:
    """Return the HardSigmoid that ``node`` multiplies its own input by."""
    for value, gate in (node.inputs, node.inputs[::-1]):
        made = gate.producer() if gate is not None else None
        if made is None or made.op_type != "HardSigmoid" or made.inputs[0] is not value:
            continue
        slope, shift = made.attributes.get_float("alpha", 0.2), made.attributes.get_float("beta", 0.5)
        alone = len(tuple(made.outputs[0].uses())) == 1 and not made.outputs[0].is_graph_output()
        if alone and abs(slope - ALPHA) < _ROUNDING and abs(shift - BETA) < _ROUNDING:
            return made
    return None
