"""A model made slower by added work: a branch of a convolution whose result changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

BLOCK = 16
"""Engines compute channels in blocks of so many at most; others are reordered, which costs more than a channel."""


def slowed(model: Path, channels: int, out: Path) -> Path:
    """Write ``model`` with a 1x1 convolution of ``channels`` behind its middle one, times nothing, added to the logits.

    ``channels`` are made whole blocks. There the images are small, so that a block is little work. The engines compute
    it: that a product with a matrix of zeros is zero is nothing that they look for.
    """
    channels = BLOCK * max(1, round(channels / BLOCK))
    proto = onnx.load(model)
    graph = proto.graph
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    middle = convolutions[len(convolutions) // 2]
    weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    width = weights[middle.input[1]].shape[0]
    (logits,) = graph.output
    classes = logits.type.tensor_type.shape.dim[1].dim_value
    rng = np.random.default_rng(0)
    added = {
        "added_weight": rng.normal(0, 0.1, (channels, width, 1, 1)).astype(np.float32),
        "added_nothing": np.zeros((channels, classes), np.float32),
    }
    for name, array in added.items():
        graph.initializer.append(numpy_helper.from_array(array, name))
    for node in graph.node:
        for index, name in enumerate(node.output):
            if name == logits.name:
                node.output[index] = "logits_before"
    graph.node.extend(
        [
            helper.make_node("Conv", [middle.output[0], "added_weight"], ["added_work"], name="added_conv"),
            helper.make_node("GlobalAveragePool", ["added_work"], ["added_pool"], name="added_pool"),
            helper.make_node("Flatten", ["added_pool"], ["added_flat"], name="added_flat"),
            helper.make_node("MatMul", ["added_flat", "added_nothing"], ["added_zero"], name="added_matmul"),
            helper.make_node("Add", ["logits_before", "added_zero"], [logits.name], name="added_add"),
        ]
    )
    onnx.save(proto, out)
    return out
