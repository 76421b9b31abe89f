"""Q/DQ pairs in a graph: which nodes compute on quantized tensors, and putting some of them back into float."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

# What does the arithmetic; all else comes along with the node before it.
COMPUTE = ("Conv", "ConvTranspose", "Gemm", "MatMul")

# What ONNX Runtime can compute from integers to floats; a convolution without a pair behind it runs in float.
_FLOAT_SUMS = ("Gemm", "MatMul")
# Behind these all is in float. A pool then averages floats, which costs little so late, and its means are fine ones.
_FLOAT_RESULTS = (*_FLOAT_SUMS, "GlobalAveragePool")

Group = tuple[str, ...]


def groups(model: onnx.ModelProto) -> tuple[Group, ...]:
    """Return the names of a float ``model``'s nodes in order, cut before each that computes (convolution, product).

    A group is what is sensibly quantized or not as a whole: a convolution and the activation, addition or pooling
    behind it. What comes before the first convolution, the normalization of the image, is in none.
    """
    found: list[list[str]] = []
    for node in model.graph.node:
        if node.op_type in COMPUTE:
            found.append([])
        if found:
            found[-1].append(node.name)
    return tuple(map(tuple, found))


def quantized_nodes(quantized: onnx.ModelProto) -> tuple[str, ...]:
    """Return the names of the nodes that read a dequantized tensor, in order."""
    made = {name: node.op_type for node in quantized.graph.node for name in node.output}
    return tuple(
        node.name
        for node in quantized.graph.node
        if node.op_type != "QuantizeLinear" and any(made.get(name) == "DequantizeLinear" for name in node.input)
    )


def in_float(quantized: onnx.ModelProto, model: onnx.ModelProto, names: Collection[str]) -> onnx.ModelProto:
    """Return ``quantized`` with the nodes of these ``names`` computing in float, as they do in ``model``.

    ``model`` is the float model that ``quantized`` was made from. The nodes read float activations and their own float
    weights; a pair whose two scales differ also multiplies, and stays. Pairs that nobody reads any more go.
    """
    result = onnx.ModelProto()
    result.CopyFrom(quantized)
    graph = result.graph
    makers = {name: node for node in graph.node for name in node.output}
    scales = _Constants(graph)
    floats = {each.name: each for each in model.graph.initializer}
    originals = {node.name: node for node in model.graph.node if node.name in names}
    wanted: dict[str, onnx.TensorProto] = {}
    for node in graph.node:
        original = originals.get(node.name)
        if original is None or original.op_type != node.op_type:
            continue
        for place, name in enumerate(node.input):
            source = original.input[place] if place < len(original.input) else ""
            if source in floats:
                # A dequantizer may make a tensor of the very name that the float weights had.
                wanted[f"{source}.float"] = floats[source]
                node.input[place] = f"{source}.float"
            else:
                node.input[place] = _before(makers, scales, name)
    _open_outputs(graph, makers, scales, originals)
    for name, tensor in wanted.items():
        if name not in scales:
            graph.initializer.add().CopyFrom(tensor)
            graph.initializer[-1].name = name
    _remove_unread(graph)
    return result


def with_float_outputs(quantized: onnx.ModelProto, model: onnx.ModelProto) -> onnx.ModelProto:
    """Return ``quantized``, made of the float ``model``, without the pairs behind its last products and poolings.

    256 steps from the smallest to the largest logit would make classes equal that an image is surest of, all the more
    behind a Softmax. Integer products give float sums as they are, and a pool's means are finer than what it averages.
    """
    result = in_float(quantized, model, _tail(model))
    makers = {name: node for node in result.graph.node for name in node.output}
    products = {node.name for node in result.graph.node if node.op_type in _FLOAT_SUMS}
    _open_outputs(result.graph, makers, _Constants(result.graph), products)
    _remove_unread(result.graph)
    return result


def _tail(model: onnx.ModelProto) -> set[str]:
    """Return the names of the nodes behind which nothing computes, but for those that engines fuse with what does."""
    made = {name: node for node in model.graph.node for name in node.output}
    body: set[str] = set()
    for node in reversed(model.graph.node):
        if node.op_type in COMPUTE or body.intersection(node.output):
            body.update((*node.input, *read_inside(node)))
    found: set[str] = set()
    for node in model.graph.node:
        makers = [made[name] for name in node.input if name in made]
        behind = not body.intersection(node.output) and node.op_type not in COMPUTE
        if behind and makers and all(each.name in found or each.op_type in _FLOAT_RESULTS for each in makers):
            found.add(node.name)
    return found


def _open_outputs(
    graph: onnx.GraphProto,
    makers: Mapping[str, onnx.NodeProto],
    constants: _Constants,
    floats: Collection[str],
) -> None:
    """Let a graph output that a pair makes of a float node's result be that result itself."""
    for output in graph.output:
        inner = _before(makers, constants, output.name)
        if inner == output.name or makers[inner].name not in floats:
            continue
        makers[output.name].output[0] = f"{output.name}.pair"
        for node in graph.node:
            for names in (node.input, node.output):
                for place, name in enumerate(names):
                    if name == inner:
                        names[place] = output.name


def _before(makers: Mapping[str, onnx.NodeProto], constants: _Constants, name: str) -> str:
    """Return the float tensor that a pair ending in tensor ``name`` begins with, or ``name`` where there is none."""
    after = makers.get(name)
    before = makers.get(after.input[0]) if after is not None and after.op_type == "DequantizeLinear" else None
    if after is None or before is None or before.op_type != "QuantizeLinear":
        return name
    same = all(constants.equal(first, other) for first, other in zip(before.input[1:], after.input[1:], strict=False))
    return before.input[0] if same else name


class _Constants:
    """The initializers of a graph by their names."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._tensors = {each.name: each for each in graph.initializer}

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def equal(self, first: str, other: str) -> bool:
        """Return whether two initializers hold the same values."""
        return first == other or np.array_equal(self._array(first), self._array(other))

    def _array(self, name: str) -> NDArray[Any]:
        return numpy_helper.to_array(self._tensors[name])


def _remove_unread(graph: onnx.GraphProto) -> None:
    """Remove the nodes and initializers that lead to no output of ``graph``."""
    alive = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if alive.intersection(node.output):
            alive.update((*node.input, *read_inside(node)))
            kept.append(node)
    if len(kept) < len(graph.node):
        nodes = list(reversed(kept))
        del graph.node[:]
        graph.node.extend(nodes)
    initializers = [each for each in graph.initializer if each.name in alive]
    if len(initializers) < len(graph.initializer):
        del graph.initializer[:]
        graph.initializer.extend(initializers)


def read_inside(node: onnx.NodeProto) -> Iterator[str]:
    """Yield what the branches of an If, or the body of a Loop, read."""
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from inner.input
            yield from read_inside(inner)
