"""HardSigmoid behind a convolution becomes a Clip, its slope and shift moved into the convolution's weights and bias.

ONNX Runtime has no HardSigmoid in int8, and the range of a quantized tensor is a Clip that costs nothing.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgetl.graph.constants import constant, initializer

NAME = "hard-sigmoid"

# The defaults of the operator.
ALPHA, BETA = 0.2, 0.5


def requires(node: ir.Node) -> bool:
    """Return whether ``node`` is a HardSigmoid, and the only reader, of a convolution with constant weights."""
    if node.op_type != "HardSigmoid" or node.inputs[0] is None:
        return False
    features = node.inputs[0]
    conv = features.producer()
    if conv is None or conv.op_type != "Conv" or features.is_graph_output() or len(tuple(features.uses())) != 1:
        return False
    constants = [constant(value) for value in conv.inputs[1:3] if value is not None]
    return all(array is not None and array.dtype == np.float32 for array in constants)


def call(node: ir.Node) -> None:
    """Scale the convolution's weights, scale and shift its bias (a new one where it has none), and clip to 0 and 1."""
    graph, features = node.graph, node.inputs[0]
    assert isinstance(graph, ir.Graph) and features is not None
    conv = features.producer()
    assert conv is not None
    alpha, beta = node.attributes.get_float("alpha", ALPHA), node.attributes.get_float("beta", BETA)
    weights, bias = conv.inputs[1], conv.inputs[2] if len(conv.inputs) > 2 else None
    kernel = constant(weights)
    assert weights is not None and kernel is not None
    before = constant(bias) if bias is not None else np.zeros(len(kernel), np.float32)
    assert before is not None
    shifted = (np.float64(alpha) * before + beta).astype(np.float32)
    # New names, since another node may share the old constants; what nobody reads is removed.
    conv.replace_input_with(1, initializer(graph, f"{weights.name}_sloped", np.float32(alpha) * kernel))
    if len(conv.inputs) < 3:
        conv.resize_inputs(3)
    conv.replace_input_with(2, initializer(graph, f"{weights.name}_shifted", shifted))
    for old in (weights, bias):
        if old is not None and not old.uses() and old.name is not None:
            del graph.initializers[old.name]
    bounds = [
        initializer(graph, f"{node.name}_{name}", np.array(value, np.float32))
        for name, value in (("low", 0), ("high", 1))
    ]
    clip = ir.node("Clip", [features, *bounds], name=node.name)
    ir.convenience.replace_nodes_and_values(graph, node, [node], [clip], node.outputs, clip.outputs)


def ensures(graph: ir.Graph) -> bool:
    """Return whether no such HardSigmoid is left."""
    return not any(requires(node) for node in graph)
