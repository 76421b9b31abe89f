"""Reading a graph with Q/DQ pairs: which nodes an engine computes in int8, and what each output is quantized to."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edgetl.artifacts import Interval
from edgetl.quantization.pairs import COMPUTE

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
ACTIVATIONS = ("Relu", "Clip")
# Those that only move integers: engines let pairs pass them.
_MOVES = ("Identity", "MaxPool", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
# All other operators have parameters behind their first input: bounds, shapes, axes.
_OPERANDS = ("Add", "Concat", "Div", "Mul", "Sub")
# Products whose int8 kernels write floats too.
_FLOAT_RESULT = ("Gemm", "MatMul")
# Of a step: a range may lie so far beyond a bound, and the bound is still without effect.
_PART_OF_STEP = 0.5


class Wiring:
    """A quantized graph; tensors are named as in it. ``float_results``: the engine's convolutions can write floats."""

    def __init__(self, model: onnx.ModelProto, *, float_results: bool) -> None:
        graph = model.graph
        self._float_results = _FLOAT_RESULT + (("Conv", "ConvTranspose") if float_results else ())
        self._constants = {each.name: each for each in graph.initializer}
        self._made = {name: node for node in graph.node for name in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self._readers[name].append(node)
        self._outputs = {value.name for value in graph.output}
        self._fixed = self._computed_once(graph)
        self.nodes = [node for node in graph.node if self._computes(node)]
        self._after_pair = self._downstream(graph)
        self._before_pair = self._upstream(graph)

    def quantizer(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        """Return what quantizes the first output of ``node``, maybe behind a bound without effect; None if nothing."""
        return self._quantizer(node.output[0])

    def range(self, quantizer: onnx.NodeProto) -> Interval:
        """Return the smallest and the largest value of a tensor behind ``quantizer``."""
        scale, zero = self._parameters(quantizer)
        ends = np.iinfo(zero.dtype)
        low, high = ((end - zero.astype(np.float64)) * scale for end in (ends.min, ends.max))
        return float(np.min(low)), float(np.max(high))

    def read_as(self, node: onnx.NodeProto) -> str:
        """Return the tensor that ``node``'s readers take: dequantized where all do, unless they then cut it off."""
        output = node.output[0]
        readers = self._readers[output]
        if output in self._outputs or len(readers) != 1 or readers[0].op_type != QUANTIZE:
            return str(output)
        found = self._readers[readers[0].output[0]]
        if len(found) != 1 or found[0].op_type != DEQUANTIZE:
            return str(output)
        after = found[0].output[0]
        cut = any(reader.op_type in ACTIVATIONS for reader in self._readers[after])
        return str(output if cut else after)

    def in_int8(self, node: onnx.NodeProto) -> bool:
        """Return whether engines compute ``node`` on integers: what it reads and makes is quantized."""
        if self._absorbed(node):
            return True
        if not self.inputs_quantized(node):
            return False
        if node.op_type in self._float_results or self.quantizer(node) is not None:
            return True
        return node.op_type in _MOVES and any(self.in_int8(each) for each in self._readers[node.output[0]])

    def producer(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        """Return what makes the first input of ``node``, pairs aside; None for what the graph is given."""
        made = self._made.get(node.input[0]) if node.input else None
        return self.producer(made) if made is not None and made.op_type in (QUANTIZE, DEQUANTIZE) else made

    def inputs_quantized(self, node: onnx.NodeProto) -> bool:
        """Return whether all operands of ``node`` are dequantized, its weights included and biases not."""
        operands = 2 if node.op_type in COMPUTE else len(node.input) if node.op_type in _OPERANDS else 1
        return bool(node.input) and all(self._dequantized(name) for name in node.input[:operands])

    def before_all(self, node: onnx.NodeProto) -> bool:
        """Return whether nothing that ``node`` reads was ever quantized."""
        return node.output[0] not in self._after_pair

    def after_all(self, node: onnx.NodeProto) -> bool:
        """Return whether nothing that is made of ``node``'s result is ever quantized."""
        return node.output[0] not in self._before_pair

    def _absorbed(self, node: onnx.NodeProto) -> bool:
        """Return whether ``node`` is a Relu or Clip without effect between an int8 node and its quantizer."""
        quantizer, before = self.quantizer(node), self._made.get(node.input[0]) if node.input else None
        if node.op_type not in ACTIVATIONS or quantizer is None or before is None:
            return False
        return self._without_effect(node, quantizer) and before.op_type != DEQUANTIZE and self.in_int8(before)

    def _computes(self, node: onnx.NodeProto) -> bool:
        pairs = node.op_type in (QUANTIZE, DEQUANTIZE)
        return not pairs and not all(name in self._fixed for name in node.output)

    def _computed_once(self, graph: onnx.GraphProto) -> set[str]:
        """Return the constants, with what nodes make of nothing else."""
        fixed = set(self._constants) | {""}
        for node in graph.node:
            if fixed.issuperset(node.input):
                fixed.update(node.output)
        return fixed

    def _downstream(self, graph: onnx.GraphProto) -> set[str]:
        """Return the tensors that depend on a quantized activation."""
        found: set[str] = set()
        for node in graph.node:
            quantizes = node.op_type == QUANTIZE and node.input[0] not in self._fixed
            if quantizes or found.intersection(node.input):
                found.update(node.output)
        return found

    def _upstream(self, graph: onnx.GraphProto) -> set[str]:
        """Return the tensors that something quantized depends on."""
        found: set[str] = set()
        for node in reversed(graph.node):
            if node.op_type == QUANTIZE or found.intersection(node.output):
                found.update(node.input)
        return found

    def _dequantized(self, name: str) -> bool:
        node = self._made.get(name)
        if node is None:
            return False
        return node.op_type == DEQUANTIZE or (node.op_type in _MOVES and self._dequantized(node.input[0]))

    def _quantizer(self, name: str) -> onnx.NodeProto | None:
        readers = self._readers[name]
        if name in self._outputs or not readers:
            return None
        if all(reader.op_type == QUANTIZE for reader in readers):
            return readers[0]
        if len(readers) > 1 or readers[0].op_type not in (*ACTIVATIONS, *_MOVES):
            return None
        found = self._quantizer(readers[0].output[0])
        absorbed = found is not None and (readers[0].op_type in _MOVES or self._without_effect(readers[0], found))
        return found if absorbed else None

    def _without_effect(self, activation: onnx.NodeProto, quantizer: onnx.NodeProto) -> bool:
        """Return whether a Relu or Clip changes nothing that the integers behind it can tell."""
        low, high = self.range(quantizer)
        slack = _PART_OF_STEP * float(np.max(self._parameters(quantizer)[0]))
        if activation.op_type == "Relu":
            return low >= -slack
        bounds = [self._bound(name) for name in activation.input[1:]]
        smallest, largest = (*bounds, None, None)[:2]
        return (smallest is None or low >= smallest - slack) and (largest is None or high <= largest + slack)

    def _bound(self, name: str) -> float | None:
        return float(self._array(name).item()) if name in self._constants else None

    def _parameters(self, node: onnx.NodeProto) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Return scale and zero point of a Q node; the zero point has the type of the integers."""
        zero = self._array(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros((), np.uint8)
        return self._array(node.input[1]).astype(np.float64), zero

    def _array(self, name: str) -> NDArray[Any]:
        return numpy_helper.to_array(self._constants[name])
