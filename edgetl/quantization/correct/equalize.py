"""Equalization across layers: channels that share one range are scaled so that none of them wastes it.

Where layers are joined only by operators that keep a channel's scale, a channel can be divided by any positive number
in the layers that make it and multiplied by the same one in those that read it: the network computes what it did. The
method is that of Nagel, van Baalen, Blankevoort and Welling, *Data-Free Quantization through Weight Equalization and
Bias Correction* (ICCV 2019), here with observed activations, and across residual connections.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgetl.quantization.calibration.observe import session
from edgetl.quantization.engines.base import Images

Channels = NDArray[np.float64]

# How far the scaled values of a clipped channel stay from the bound, for images that calibration did not see.
MARGIN = 1.5
# No channel's scale goes beyond this or below its inverse: what hardly ever speaks is not made to shout.
MOST = 1e4

_KEEP_SCALE = ("Relu", "MaxPool", "AveragePool", "GlobalAveragePool", "Identity")
_RESHAPE = ("Flatten", "Reshape")


def equalize(model: onnx.ModelProto, images: Images) -> onnx.ModelProto:
    """Return ``model`` with the channels of each stream evened out; on ``images`` it computes the same, up to rounding.

    A stream with a Clip is scaled only where depthwise convolutions read it, and there only the channels that stay away
    from its bound on ``images``, and they keep a distance from it. On an image that drives one beyond that distance the
    result differs. ``images`` are gone through once.
    """
    graph = _Graph.of(onnx.shape_inference.infer_shapes(model))
    streams = list(_streams(graph))
    if not streams:
        return graph.model
    largest = _largest(graph, streams, images)
    # The unbounded first: their scales then do not depend on those of the others.
    for stream, activations in sorted(zip(streams, largest, strict=True), key=lambda each: np.isfinite(each[0].bound)):
        weights = np.max([graph.layers[name].largest_inputs() for name in stream.readers], axis=0)
        scale = _scale(activations, weights, stream.bound)
        for name in stream.makers:
            graph.layers[name].divide_outputs(scale)
        for name in stream.readers:
            graph.layers[name].multiply_inputs(scale)
        for name in stream.limits:
            limit = graph.constants[name]
            graph.store(name, limit / scale.reshape(-1, 1, 1))
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


@dataclass
class _Layer:
    """The weights of a convolution or a Gemm in float64, (groups, outputs, inputs, positions), and its bias."""

    node: onnx.NodeProto
    weights: NDArray[np.float64]
    bias: Channels | None
    changed: bool = False

    @property
    def inputs(self) -> int:
        """How many channels it reads."""
        return int(self.weights.shape[0] * self.weights.shape[2])

    @property
    def inputs_per_group(self) -> int:
        """How many channels each of its outputs is made of: 1 in a depthwise convolution."""
        return int(self.weights.shape[2])

    @property
    def outputs(self) -> int:
        """How many channels it makes."""
        return int(self.weights.shape[0] * self.weights.shape[1])

    def largest_inputs(self) -> Channels:
        """Return the largest magnitude of the weights of each input channel."""
        largest: Channels = np.abs(self.weights).max(axis=(1, 3)).reshape(-1)
        return largest

    def divide_outputs(self, scale: Channels) -> None:
        """Divide what the layer makes by ``scale`` (outputs,)."""
        self.weights = self.weights / scale.reshape(*self.weights.shape[:2], 1, 1)
        self.bias = None if self.bias is None else self.bias / scale
        self.changed = True

    def multiply_inputs(self, scale: Channels) -> None:
        """Undo a division by ``scale`` (inputs,) of what the layer reads."""
        self.weights = self.weights * scale.reshape(len(self.weights), 1, -1, 1)
        self.changed = True

    def store(self, graph: _Graph) -> None:
        """Write weights and bias into ``graph``, under new names where another node reads the old constants."""
        if not self.changed:
            return
        shape = graph.constants[self.node.input[1]].shape
        weights = self.weights
        if self.node.op_type == "Gemm" and not _attribute(self.node, "transB", 0):
            weights = weights[0, :, :, 0].T
        self.node.input[1] = graph.store(graph.own(self.node, 1), weights.reshape(shape))
        if self.bias is not None:
            self.node.input[2] = graph.store(graph.own(self.node, 2), self.bias)


@dataclass
class _Graph:
    """A copy of a model, changed in place, and what is known of it by name. ``readers`` counts outputs too."""

    model: onnx.ModelProto
    constants: Mapping[str, NDArray[Any]]
    shapes: Mapping[str, Sequence[int | None]]
    readers: Mapping[str, Sequence[onnx.NodeProto | None]]
    layers: dict[str, _Layer] = field(default_factory=dict)

    @classmethod
    def of(cls, model: onnx.ModelProto) -> _Graph:
        """Return the graph of ``model`` with its layers by the names of their outputs."""
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        readers: dict[str, list[onnx.NodeProto | None]] = defaultdict(list)
        for node in copy.graph.node:
            for name in node.input:
                readers[name].append(node)
        for value in copy.graph.output:
            readers[value.name].append(None)
        inputs = {value.name for value in copy.graph.input}
        constants = {
            each.name: numpy_helper.to_array(each) for each in copy.graph.initializer if each.name not in inputs
        }
        values = (*copy.graph.value_info, *copy.graph.input, *copy.graph.output)
        graph = cls(copy, constants, {value.name: _shape(value) for value in values}, readers)
        made = ((node, graph.layer(node)) for node in copy.graph.node)
        graph.layers = {node.output[0]: layer for node, layer in made if layer is not None}
        return graph

    def layer(self, node: onnx.NodeProto) -> _Layer | None:
        """Return the layer that ``node`` is, or None where its weights are not constants of the usual shape."""
        weights = self.constants.get(node.input[1]) if node.op_type in ("Conv", "Gemm") else None
        if weights is None or weights.dtype != np.float32:
            return None
        biases = [name for name in node.input[2:] if name]
        bias = self.constants.get(biases[0]) if biases else None
        if node.op_type == "Gemm":
            if _attribute(node, "transA", 0):
                return None
            weights = weights if _attribute(node, "transB", 0) else weights.T
        groups = _attribute(node, "group", 1)
        if biases and (bias is None or bias.shape != (len(weights),)):
            return None
        parts = weights.astype(np.float64).reshape(groups, len(weights) // groups, weights.shape[1], -1)
        return _Layer(node, parts, None if bias is None else bias.astype(np.float64))

    def channels(self, name: str) -> int | None:
        """Return the number of channels of an activation, or None where that is not known."""
        shape = self.shapes.get(name, ())
        return shape[1] if len(shape) in (2, 4) and name not in self.constants else None

    def own(self, node: onnx.NodeProto, index: int) -> str:
        """Return the name for the constant that ``node`` reads there: a new one where others read it too."""
        name = node.input[index]
        return name if len(self.readers[name]) == 1 else f"{name}.{node.output[0]}"

    def store(self, name: str, array: NDArray[Any]) -> str:
        """Set the constant ``name``, as float32, and return the name."""
        tensor = numpy_helper.from_array(np.ascontiguousarray(array, dtype=np.float32), name)
        old = [each for each in self.model.graph.initializer if each.name == name]
        if old:
            old[0].CopyFrom(tensor)
        else:
            self.model.graph.initializer.append(tensor)
        return name


@dataclass
class _Stream:
    """Activations whose channels have one scale. ``makers`` and ``readers`` name layers by what they make.

    ``bound`` is the least of the Clips in it. ``limits`` are the constants of each Min, one value for each channel.
    """

    channels: int
    values: list[str]
    makers: list[str]
    readers: list[str]
    bound: float
    limits: list[str]


def _streams(graph: _Graph) -> Iterator[_Stream]:
    """Yield the streams of ``graph`` that can be scaled."""
    ties = {node.output[0]: tie for node in graph.model.graph.node if (tie := _tie(node, graph)) is not None}
    made = {name: node for node in graph.model.graph.node for name in node.output}
    for values in _groups(ties.values(), graph):
        makers = [name for name in values if name not in ties]
        readers = [node for name in values for node in graph.readers.get(name, ())]
        inside = {name for name in values if name in ties}
        outside = [node for node in readers if node is None or node.output[0] not in inside]
        channels = graph.channels(values[0])
        if not outside or channels is None or None in outside:
            continue
        layers = [graph.layers.get(node.output[0]) for node in outside if node is not None]
        if any(layer is None or layer.inputs != channels for layer in layers):
            continue
        # The weights of a layer are constants, so what it reads of a stream is its input.
        if any(name not in graph.layers or graph.layers[name].outputs != channels for name in makers):
            continue
        nodes = [made[name] for name in inside]
        limits = [name for node in nodes if node.op_type == "Min" for name in node.input if name in graph.constants]
        if any(len(graph.readers[name]) > 1 for name in limits):
            continue
        bound = min((_upper(node, graph) for node in nodes if node.op_type == "Clip"), default=np.inf)
        names = sorted({node.output[0] for node in outside if node is not None})
        # Below a bound channels are even already, and evening them out further makes the weights uneven that share a
        # scale; a depthwise convolution has one for each channel. MobileNetV2: 21.8 dB of logit signal to noise so,
        # 20.7 with all such streams scaled, 21.5 with none.
        if np.isfinite(bound) and any(graph.layers[name].inputs_per_group > 1 for name in names):
            continue
        yield _Stream(channels, values, makers, names, bound, limits)


def _groups(ties: Any, graph: _Graph) -> list[list[str]]:
    """Return the activations of ``graph``, those that are tied together in one list."""
    names = [name for node in graph.model.graph.node for name in node.output if graph.channels(name) is not None]
    group = {name: [name] for name in (*names, *(value.name for value in graph.model.graph.input))}
    for tie in ties:
        first = group[tie[0]]
        for name in tie[1:]:
            if group[name] is not first:
                first.extend(group[name])
                group.update(dict.fromkeys(group[name], first))
    return list({id(each): each for each in group.values()}.values())


def _tie(node: onnx.NodeProto, graph: _Graph) -> tuple[str, ...] | None:
    """Return the activations that ``node`` ties channel by channel, its output last, or None."""
    activations = tuple(name for name in node.input if name and name not in graph.constants)
    tied = (*activations, node.output[0])
    channels = {graph.channels(name) for name in tied}
    if len(channels) != 1 or None in channels:
        return None
    match node.op_type:
        case "Add":
            same_rank = len({len(graph.shapes[name]) for name in tied}) == 1
            return tied if len(activations) == 2 and same_rank else None
        case "Clip":
            lower, upper = _bound(node, 1, graph), _bound(node, 2, graph)
            return tied if len(activations) == 1 and lower in (0.0, None) and (upper is None or upper > 0) else None
        case "Min":
            limits = [graph.constants[name].shape for name in node.input if name in graph.constants]
            wanted = (channels.pop(), 1, 1)
            known = len(limits) == 1 and limits[0] in (wanted, (1, *wanted))
            return tied if known and len(activations) == 1 else None
        case operator if operator in _RESHAPE:
            before, after = graph.shapes[activations[0]], graph.shapes[node.output[0]]
            return tied if len(after) == 2 and tuple(before[2:]) in ((), (1, 1)) else None
        case operator:
            return tied if operator in _KEEP_SCALE and len(node.output) == 1 else None


def _bound(node: onnx.NodeProto, index: int, graph: _Graph) -> float | None:
    """Return a bound of a Clip, None where it has none, and NaN where it is no constant scalar."""
    if len(node.input) <= index or not node.input[index]:
        return None
    array = graph.constants.get(node.input[index])
    return float(array.item()) if array is not None and array.size == 1 else float("nan")


def _upper(node: onnx.NodeProto, graph: _Graph) -> float:
    upper = _bound(node, 2, graph)
    return np.inf if upper is None else upper


def _largest(graph: _Graph, streams: Sequence[_Stream], images: Images) -> list[Channels]:
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
        for index, each in enumerate(names):
            for name in each:
                values = found[f"{name}__largest"].reshape(-1, streams[index].channels)
                largest[index] = np.maximum(largest[index], values.max(axis=0))
    return largest


def _cut(name: str, graph: _Graph) -> bool:
    """Return whether only an activation function reads ``name``: its range is then that of the function's output."""
    readers = graph.readers[name]
    return len(readers) == 1 and readers[0] is not None and readers[0].op_type in ("Relu", "Clip", "Min")


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((int(each.i) for each in node.attribute if each.name == name), default)


def _shape(value: onnx.ValueInfoProto) -> list[int | None]:
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
