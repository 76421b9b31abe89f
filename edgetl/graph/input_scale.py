"""A per-channel scale before a convolution moves into its weights, which saves a pass over the image.

This is exact: a convolution is linear in its input, and its padding, zero, is zero before the scale as well. A shift
(the mean) could not move along: padding would have to become the mean.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgetl.graph.constants import constant, initializer

NAME = "input-scale"


def requires(node: ir.Node) -> bool:
    """Return whether ``node`` scales the channels of an NCHW tensor that only ungrouped convolutions read."""
    if node.op_type != "Mul" or node.outputs[0].is_graph_output():
        return False
    scale = constant(node.inputs[1])
    if scale is None or constant(node.inputs[0]) is not None or scale.ndim != 4 or scale[0, :, 0, 0].size != scale.size:
        return False
    shape = node.inputs[0].shape if node.inputs[0] is not None else None
    if shape is None or shape.rank() != 4 or shape[1] != scale.size:
        # Perhaps one channel that becomes several.
        return False
    readers = node.outputs[0].uses()
    return bool(readers) and all(_foldable(use.node, use.idx, scale.size) for use in readers)


def call(node: ir.Node) -> None:
    """Multiply the readers' weights by the scale and let them read what was scaled."""
    graph = node.graph
    scaled = constant(node.inputs[1])
    assert isinstance(graph, ir.Graph) and scaled is not None and node.inputs[0] is not None
    for use in tuple(node.outputs[0].uses()):
        weights = use.node.inputs[1]
        kernel = constant(weights)
        assert weights is not None and kernel is not None
        product = np.multiply(kernel, scaled.reshape(1, -1, 1, 1), dtype=np.float32)
        # A new name, since another node may share the old weights; what nobody reads is removed.
        use.node.replace_input_with(1, initializer(graph, f"{weights.name}_scaled", product))
        use.node.replace_input_with(0, node.inputs[0])
        if not weights.uses() and weights.name is not None:
            del graph.initializers[weights.name]
    graph.remove(node, safe=True)


def ensures(graph: ir.Graph) -> bool:
    """Return whether no such scale is left."""
    return not any(requires(node) for node in graph)


def _foldable(reader: ir.Node, position: int, channels: int) -> bool:
    if reader.op_type != "Conv" or position != 0 or reader.attributes.get_int("group", 1) != 1:
        return False
    kernel = constant(reader.inputs[1])
    return kernel is not None and kernel.dtype == np.float32 and kernel.shape[1] == channels
