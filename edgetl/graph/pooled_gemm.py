"""A fully-connected layer of pooled features becomes the 1x1 convolution that it is, of the features unflattened.

On a CPU without VNNI OpenVINO multiplies int8 matrices by a plain routine, which takes three times as long as its
convolution (576 x 1024 in MobileNetV3-small).
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgetl.graph.constants import constant, initializer

NAME = "pooled-gemm"

_FLATTENS = ("Flatten", "Reshape")
_LAYERS = ("Conv", "Gemm", "MatMul")
# Behind the layer: each makes of one value one other, wherever that stands.
_FUNCTIONS = ("HardSwish", "Relu", "Sigmoid")


def requires(node: ir.Node) -> bool:
    """Return whether ``node`` is a Gemm, by constant weights, of flattened features that were pooled to one each.

    Of the one that gives the logits a convolution would give quantized ones; it stays, and is small.
    """
    if node.op_type != "Gemm" or not _leads_to_a_layer(node):
        return False
    attributes, pooled, rows = node.attributes, _pooled(node), _rows(node)
    plain = attributes.get_float("alpha", 1.0) == attributes.get_float("beta", 1.0) == 1.0
    plain = plain and attributes.get_int("transA", 0) == 0
    if not plain or pooled is None or pooled.shape is None or rows is None:
        return False
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(len(rows), np.float32)
    return pooled.shape[1] == rows.shape[1] and bias is not None and bias.shape == (len(rows),)


def call(node: ir.Node) -> None:
    """Put a convolution, which keeps its name, in the place of ``node``, and a Flatten behind its activation function.

    OpenVINO computes the function inside the convolution only if it follows at once.
    """
    graph, weights, rows, pooled = node.graph, node.inputs[1], _rows(node), _pooled(node)
    assert isinstance(graph, ir.Graph) and weights is not None and rows is not None and pooled is not None
    # A new name, since another node may share the old constant; what nobody reads is removed.
    kernel = initializer(graph, f"{weights.name}_unflattened", np.ascontiguousarray(rows)[:, :, None, None])
    conv = ir.node("Conv", [pooled, kernel, *node.inputs[2:]], {"kernel_shape": [1, 1]}, name=node.name)
    readers = [use.node for use in node.outputs[0].uses()]
    ir.convenience.replace_nodes_and_values(graph, node, [node], [conv], node.outputs, conv.outputs)
    function = readers[0] if len(readers) == 1 and readers[0].op_type in _FUNCTIONS else None
    # The shapes that were known are those of flat tensors.
    last = conv if function is None or function.outputs[0].is_graph_output() else function
    for value in (conv.outputs[0], last.outputs[0]):
        value.shape = None
    flatten = ir.node("Flatten", [last.outputs[0]], {"axis": 1}, name=f"{node.name}_flat")
    for use in tuple(last.outputs[0].uses()):
        if use.node is not flatten:
            use.node.replace_input_with(use.idx, flatten.outputs[0])
    graph.insert_after(last, flatten)
    if not weights.uses() and weights.name is not None:
        del graph.initializers[weights.name]


def ensures(graph: ir.Graph) -> bool:
    """Return whether no such Gemm is left."""
    return not any(requires(node) for node in graph)


def _leads_to_a_layer(node: ir.Node) -> bool:
    """Return whether a convolution or product follows somewhere; else ``node`` gives the logits, whatever is behind."""
    ahead, seen = [node], {node}
    while ahead:
        for use in ahead.pop().outputs[0].uses():
            if use.node.op_type in _LAYERS:
                return True
            if use.node not in seen:
                seen.add(use.node)
                ahead.append(use.node)
    return False


def _pooled(node: ir.Node) -> ir.Value | None:
    """Return what reaches ``node`` flattened and has one value a channel; None where that is not so."""
    flatten = node.inputs[0].producer() if node.inputs[0] is not None else None
    if flatten is None or flatten.op_type not in _FLATTENS or flatten.attributes.get_int("axis", 1) != 1:
        return None
    features = flatten.inputs[0]
    if features is None or features.shape is None or list(features.shape[2:]) != [1, 1]:
        return None
    return features


def _rows(node: ir.Node) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None:
    """Return the constant weights of a Gemm, float32 of shape (outputs, inputs); None where they are not so."""
    weights = constant(node.inputs[1])
    if weights is None or weights.dtype != np.float32:
        return None
    return weights if node.attributes.get_int("transB", 0) else weights.T
