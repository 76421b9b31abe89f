"""Bias correction: what quantization adds to an output on average is taken off its bias.

The method is that of Nagel, van Baalen, Blankevoort and Welling, *Data-Free Quantization through Weight Equalization
and Bias Correction* (ICCV 2019), in its empirical form: the mean error is observed on images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgetl.quantization.calibration.observe import session
from edgetl.quantization.engines.base import Images

_LAYERS = ("Conv", "Gemm")
# Names in the graph that measures, of what comes from the quantized model.
_PREFIX = "quantized."


@dataclass(frozen=True)
class _Layer:
    """A layer of the float model and the same one in the quantized model, with the latter's activation Q/DQ."""

    node: onnx.NodeProto
    quantized: onnx.NodeProto
    dequantizer: onnx.NodeProto

    @property
    def error(self) -> str:
        """The name of the output that measures the error."""
        return f"{_PREFIX}{self.node.output[0]}.error"


def with_biases(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return ``model`` with a bias of zeros in each layer of constant weights that has none."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    shapes = {each.name: tuple(each.dims) for each in result.graph.initializer}
    for node in result.graph.node:
        if node.op_type not in _LAYERS or node.input[1] not in shapes or (len(node.input) > 2 and node.input[2]):
            continue
        shape = shapes[node.input[1]]
        across = node.op_type == "Conv" or any(each.name == "transB" and each.i for each in node.attribute)
        bias = numpy_helper.from_array(np.zeros(shape[0] if across else shape[1], np.float32), f"{node.name}.zero_bias")
        result.graph.initializer.append(bias)
        node.input[:] = [*node.input[:2], bias.name]
    return result


def correct_biases(quantized: onnx.ModelProto, model: onnx.ModelProto, images: Images) -> onnx.ModelProto:
    """Return ``quantized``, made of the float ``model``, with the mean error of each layer's channels off its biases.

    The error is the layer's own: of its quantized weights on its quantized input, which is the float model's. Errors of
    earlier layers have been taken off there, and do not count twice. A layer without a bias stays as it is. ``images``
    are gone through once; what is kept of them is one sum for each channel.
    """
    layers = list(_layers(quantized, model))
    result = onnx.ModelProto()
    result.CopyFrom(quantized)
    if not layers:
        return result
    errors = _mean_errors(quantized, model, layers, images)
    made = {name: node for node in result.graph.node for name in node.output}
    constants = {each.name: each for each in result.graph.initializer}
    for layer, error in zip(layers, errors, strict=True):
        name = layer.quantized.input[2]
        if name in constants:
            bias = numpy_helper.to_array(constants[name])
            constants[name].CopyFrom(numpy_helper.from_array((bias - error).astype(bias.dtype), name))
            continue
        integers, scale = (constants[each] for each in made[name].input[:2])
        integers.CopyFrom(_corrected(integers, numpy_helper.to_array(scale), error))
    return result


def _corrected(bias: TensorProto, scale: NDArray[np.float32], error: NDArray[np.float64]) -> TensorProto:
    """Return the integer ``bias`` (channels,) less ``error``, at the end of its type where that lies beyond it."""
    integers = numpy_helper.to_array(bias)
    ends = np.iinfo(integers.dtype)
    exact = integers - np.rint(error / scale.astype(np.float64))
    return numpy_helper.from_array(np.clip(exact, ends.min, ends.max).astype(integers.dtype), bias.name)


def _layers(quantized: onnx.ModelProto, model: onnx.ModelProto) -> Iterator[_Layer]:
    """Yield the layers with quantized inputs and weights and a bias of their own."""
    made = {name: node for node in quantized.graph.node for name in node.output}
    constants = {each.name for each in quantized.graph.initializer}
    read = [name for node in quantized.graph.node for name in node.input]
    originals = {node.name: node for node in model.graph.node}
    for node in quantized.graph.node:
        if node.op_type not in _LAYERS or len(node.input) < 3 or len(originals[node.name].input) < 3:
            continue
        sources = [made.get(name) for name in node.input]
        features, weights, bias = sources
        if features is None or weights is None:
            continue
        if features.op_type != "DequantizeLinear" or weights.op_type != "DequantizeLinear":
            continue
        own = bias.input[0] if bias is not None and bias.op_type == "DequantizeLinear" else node.input[2]
        if own in constants and read.count(own) == 1:
            yield _Layer(originals[node.name], node, features)


def _mean_errors(
    quantized: onnx.ModelProto, model: onnx.ModelProto, layers: Sequence[_Layer], images: Images
) -> list[NDArray[np.float64]]:
    """Return the mean error of each channel of each layer, in units of its output, over images and positions."""
    running = session(_measuring(quantized, model, layers))
    image, names = model.graph.input[0].name, [layer.error for layer in layers]
    sums, counts = [np.float64(0) for _ in layers], [0 for _ in layers]
    for batch in images():
        for index, errors in enumerate(running.run(names, {image: batch})):
            # A layer may see several rows of an image, such as its tokens.
            rows = errors.reshape(len(errors), -1)
            sums[index] = sums[index] + rows.sum(axis=0, dtype=np.float64)
            counts[index] += len(rows)
    return [np.asarray(each) / count for each, count in zip(sums, counts, strict=True)]


def _measuring(quantized: onnx.ModelProto, model: onnx.ModelProto, layers: Sequence[_Layer]) -> onnx.ModelProto:
    """Return the float ``model`` with a quantized twin of each layer; the outputs are their mean differences."""
    measuring = onnx.ModelProto()
    measuring.CopyFrom(model)
    graph = measuring.graph
    del graph.output[:]
    made = {name: node for node in quantized.graph.node for name in node.output}
    constants = {each.name: each for each in quantized.graph.initializer}
    needed: dict[str, None] = {}
    for layer in layers:
        weights = list(_constant_nodes(layer.quantized.input[1], made))
        needed |= dict.fromkeys(name for node in weights for name in node.input if name in constants)
        needed |= dict.fromkeys(layer.dequantizer.input[1:])
        graph.node.extend([*map(_prefixed, weights), *_twin(layer)])
        graph.output.append(helper.make_tensor_value_info(layer.error, TensorProto.FLOAT, None))
    for name in needed:
        graph.initializer.append(constants[name])
        graph.initializer[-1].name = _PREFIX + name
    _declare_operators(measuring, quantized)
    return measuring


def _twin(layer: _Layer) -> list[onnx.NodeProto]:
    """Return the nodes from the layer's float input to the mean over positions of its quantized twin's error."""
    node, output = layer.node, layer.node.output[0]
    # Of this layer alone: another may read the same tensor through a pair of its own.
    integers, values, twin, difference = (
        f"{_PREFIX}{output}.{part}" for part in ("integers", "values", "twin", "difference")
    )
    parameters = [_PREFIX + name for name in layer.dequantizer.input[1:]]
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name, copy.output[0] = twin, twin
    copy.input[:] = [values, _PREFIX + layer.quantized.input[1], *node.input[2:]]
    averaging = "GlobalAveragePool" if node.op_type == "Conv" else "Identity"
    return [
        helper.make_node("QuantizeLinear", [node.input[0], *parameters], [integers]),
        helper.make_node("DequantizeLinear", [integers, *parameters], [values]),
        copy,
        helper.make_node("Sub", [twin, output], [difference]),
        helper.make_node(averaging, [difference], [layer.error]),
    ]


def _constant_nodes(name: str, made: dict[str, onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Yield the nodes that make the constant ``name``, each behind what it reads."""
    if name in made:
        for each in made[name].input:
            yield from _constant_nodes(each, made)
        yield made[name]


def _prefixed(node: onnx.NodeProto) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = _PREFIX + node.name
    copy.input[:] = [_PREFIX + name for name in node.input]
    copy.output[:] = [_PREFIX + name for name in node.output]
    return copy


def _declare_operators(model: onnx.ModelProto, other: onnx.ModelProto) -> None:
    """Let ``model`` use the operator sets of ``other`` too, of each the later version."""
    versions = {each.domain: each.version for each in model.opset_import}
    for each in other.opset_import:
        versions[each.domain] = max(each.version, versions.get(each.domain, 0))
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in versions.items())
