"""HardSwish becomes what it is defined as, ``x * (min(max(x + 3, 0), 6) / 6)``, of operators that run in int8.

ONNX Runtime has no HardSwish in int8: one between two int8 convolutions is converted to float and back. The sum, its
Clip and the product run in int8, and the scale by 1/6 disappears, see `edgetl.quantization.absorb`. In float one
operator is the faster, so this is for models about to be quantized.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgetl.graph.constants import initializer

NAME = "hard-swish"

# HardSwish is 0 up to minus this, and the identity from this on.
REACH = 3.0


def requires(node: ir.Node) -> bool:
    """Return whether ``node`` is a HardSwish of float32 values."""
    features = node.inputs[0] if node.inputs else None
    return node.op_type == "HardSwish" and features is not None and features.dtype in (None, ir.DataType.FLOAT)


def call(node: ir.Node) -> None:
    """Put Add, Clip and two Mul in the place of ``node``; the last of them has its name."""
    graph, features = node.graph, node.inputs[0]
    assert isinstance(graph, ir.Graph) and features is not None
    values = {"shift": REACH, "low": 0.0, "high": 2 * REACH, "scale": 1 / (2 * REACH)}
    known = {
        name: initializer(graph, f"{node.name}_{name}", np.array(value, np.float32)) for name, value in values.items()
    }
    shifted = ir.node("Add", [features, known["shift"]], name=f"{node.name}_shift")
    clipped = ir.node("Clip", [shifted.outputs[0], known["low"], known["high"]], name=f"{node.name}_clip")
    gate = ir.node("Mul", [clipped.outputs[0], known["scale"]], name=f"{node.name}_scale")
    product = ir.node("Mul", [features, gate.outputs[0]], name=node.name)
    nodes = [shifted, clipped, gate, product]
    for each, name in zip(nodes[:3], ("shifted", "clipped", "gate"), strict=True):
        each.outputs[0].name = f"{node.name}_{name}"
    ir.convenience.replace_nodes_and_values(graph, node, [node], nodes, node.outputs, product.outputs)


def ensures(graph: ir.Graph) -> bool:
    """Return whether no such HardSwish is left."""
    return not any(requires(node) for node in graph)
