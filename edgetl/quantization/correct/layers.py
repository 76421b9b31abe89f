"""A model whose layers' weights are changed in place, and what is known of it by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edgetl.quantization.pairs import read_inside

Channels = NDArray[np.float64]


@dataclass
class Layer:
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

    def store(self, graph: Graph) -> None:
        """Write weights and bias into ``graph``, under new names where another node reads the old constants."""
        if not self.changed:
            return
        shape = graph.constants[self.node.input[1]].shape
        weights = self.weights
        if self.node.op_type == "Gemm" and not attribute(self.node, "transB", 0):
            weights = weights[0, :, :, 0].T
        self.node.input[1] = graph.store(graph.own(self.node, 1), weights.reshape(shape))
        if self.bias is not None:
            self.node.input[2] = graph.store(graph.own(self.node, 2), self.bias)


@dataclass
class Graph:
    """A copy of a model, changed in place, and what is known of it by name. ``readers`` counts outputs too."""

    model: onnx.ModelProto
    constants: Mapping[str, NDArray[Any]]
    shapes: Mapping[str, Sequence[int | None]]
    readers: Mapping[str, Sequence[onnx.NodeProto | None]]
    layers: dict[str, Layer] = field(default_factory=dict)

    @classmethod
    def of(cls, model: onnx.ModelProto) -> Graph:
        """Return the graph of ``model`` with its layers by the names of their outputs."""
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        readers: dict[str, list[onnx.NodeProto | None]] = defaultdict(list)
        for node in copy.graph.node:
            for name in node.input:
                readers[name].append(node)
            for name in read_inside(node):
                # Somebody who cannot be told to read it otherwise, as outside of the graph.
                readers[name].append(None)
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

    def layer(self, node: onnx.NodeProto) -> Layer | None:
        """Return the layer that ``node`` is, or None where its weights are not constants of the usual shape."""
        weights = self.constants.get(node.input[1]) if node.op_type in ("Conv", "Gemm") else None
        if weights is None or weights.dtype != np.float32:
            return None
        biases = [name for name in node.input[2:] if name]
        bias = self.constants.get(biases[0]) if biases else None
        if node.op_type == "Gemm":
            if attribute(node, "transA", 0):
                return None
            weights = weights if attribute(node, "transB", 0) else weights.T
        groups = attribute(node, "group", 1)
        if biases and (bias is None or bias.shape != (len(weights),)):
            return None
        parts = weights.astype(np.float64).reshape(groups, len(weights) // groups, weights.shape[1], -1)
        return Layer(node, parts, None if bias is None else bias.astype(np.float64))

    def channels(self, name: str) -> int:
        """Return the number of channels of an activation, 0 where that is not known."""
        shape = self.shapes.get(name, ())
        return (shape[1] or 0) if len(shape) in (2, 4) and name not in self.constants else 0

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


def attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((int(each.i) for each in node.attribute if each.name == name), default)


def _shape(value: onnx.ValueInfoProto) -> list[int | None]:
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
