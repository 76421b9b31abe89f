"""Equalization across layers: channels that share one range are scaled so that none of them wastes it.

Where layers are joined only by operators that keep a channel's scale, a channel can be divided by any positive number
in the layers that make it and multiplied by the same one in those that read it: the network computes what it did. The
method is that of Nagel, van Baalen, Blankevoort and Welling, *Data-Free Quantization through Weight Equalization and
Bias Correction* (ICCV 2019), here with observed activations, and across residual connections and concatenations.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from edgetl.quantization.calibration.observe import session
from edgetl.quantization.correct.layers import Channels, Graph
from edgetl.quantization.correct.streams import Stream, find_streams, size
from edgetl.quantization.engines.base import Images

# How far the scaled values of a clipped channel stay from the bound, for images that calibration did not see.
MARGIN = 1.5
# No channel's scale goes beyond this or below its inverse: what hardly ever speaks is not made to shout.
MOST = 1e4


def equalize(model: onnx.ModelProto, images: Images) -> onnx.ModelProto:
    """Return ``model`` with the channels of each stream evened out; on ``images`` it computes the same, up to rounding.

    A stream with a Clip is scaled only where depthwise convolutions read it, and there only the channels that stay away
    from its bound on ``images``, and they keep a distance from it. On an image that drives one beyond that distance the
    result differs. ``images`` are gone through once.
    """
    graph = Graph.of(onnx.shape_inference.infer_shapes(model))
    streams = list(find_streams(graph))
    if not streams:
        return graph.model
    largest = _largest(graph, streams, images)
    # The unbounded first: their scales then do not depend on those of the others.
    for stream, activations in sorted(zip(streams, largest, strict=True), key=lambda each: np.isfinite(each[0].bound)):
        weights = np.zeros(stream.channels)
        for name, part in stream.readers.items():
            weights[part] = np.maximum(weights[part], graph.layers[name].largest_inputs())
        scale = _scale(activations, weights, stream.bound)
        for name, part in stream.makers.items():
            graph.layers[name].divide_outputs(scale[part])
        for name, part in stream.readers.items():
            graph.layers[name].multiply_inputs(scale[part])
    for layer in graph.layers.values():
        layer.store(graph)
    return graph.model


def _scale(activations: Channels, weights: Channels, bound: float) -> Channels:
    """Return by what to divide each channel, from its largest magnitudes as activation and in its readers' weights.

    Both become the geometric mean of the two, up to a factor that is the same for all channels: 1 on average, or what
    lets the others fit in with those that keep their scale for being near the ``bound``.
    """
    scale = np.ones_like(activations)
    live = (activations > 0) & (weights > 0)
    free = live & (MARGIN * activations <= bound)
    if not free.any():
        return scale
    ratio = np.sqrt(activations[live] / weights[live])
    fixed = live & ~free
    reference = np.log(ratio[fixed[live]] if fixed.any() else ratio).mean()
    scale[live] = np.clip(ratio / np.exp(reference), 1 / MOST, MOST)
    return np.where(free, np.maximum(scale, MARGIN * activations / bound), 1.0)


def _largest(graph: Graph, streams: Sequence[Stream], images: Images) -> list[Channels]:
    """Return the largest magnitude of each channel of each stream over ``images``."""
    observed = onnx.ModelProto()
    observed.CopyFrom(graph.model)
    del observed.graph.output[:]
    names = [[name for name in stream.values if not _cut(name, graph)] for stream in streams]
    for name in dict.fromkeys(name for each in names for name in each):
        pooling = "GlobalMaxPool" if len(graph.shapes[name]) == 4 else "Identity"
        observed.graph.node.append(helper.make_node("Abs", [name], [f"{name}__abs"]))
        observed.graph.node.append(helper.make_node(pooling, [f"{name}__abs"], [f"{name}__largest"]))
        observed.graph.output.append(helper.make_tensor_value_info(f"{name}__largest", TensorProto.FLOAT, None))
    running, image = session(observed), graph.model.graph.input[0].name
    largest = [np.zeros(stream.channels) for stream in streams]
    outputs = [value.name for value in observed.graph.output]
    for batch in images():
        found = dict(zip(outputs, running.run(outputs, {image: batch}), strict=True))
        for stream, each, so_far in zip(streams, names, largest, strict=True):
            for name in each:
                part = stream.values[name]
                values = found[f"{name}__largest"].reshape(-1, size(part))
                so_far[part] = np.maximum(so_far[part], values.max(axis=0))
    return largest


def _cut(name: str, graph: Graph) -> bool:
    """Return whether only an activation function reads ``name``: its range is then that of the function's output."""
    readers = graph.readers[name]
    return len(readers) == 1 and readers[0] is not None and readers[0].op_type in ("Relu", "Clip")
