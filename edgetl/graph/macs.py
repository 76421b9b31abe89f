"""What a network costs: the multiplications of each layer, each with the addition that follows it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import onnx

Shape = tuple[int, ...]

# Where a layer's two factors stand among its inputs: what comes from the layer before, and the weights.
_FACTORS: Mapping[str, tuple[int, int]] = {
    "Conv": (0, 1),
    "ConvInteger": (0, 1),
    "QLinearConv": (0, 3),
    "ConvTranspose": (0, 1),
    "Gemm": (0, 1),
    "MatMul": (0, 1),
    "MatMulInteger": (0, 1),
    "QLinearMatMul": (0, 3),
}


def macs(model: onnx.ModelProto) -> dict[str, int]:
    """Return the multiply-accumulates for one image of each convolution and matrix product, by the node's name.

    A node without a name goes by that of its first output. Biases, activations and the scales of quantized layers are
    not counted. Raises ValueError where a shape is not known before the model runs.
    """
    shapes = _shapes(model)
    counted: dict[str, int] = {}
    for node in model.graph.node:
        if node.op_type in _FACTORS:
            name = node.name or node.output[0]
            counted[name] = counted.get(name, 0) + _of(node, shapes)
    return counted


def _of(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> int:
    given, weights = (_known(shapes, node.input[place], node) for place in _FACTORS[node.op_type])
    if node.op_type == "ConvTranspose":
        # Each element of the input goes into a patch of the output.
        return math.prod(given) * math.prod(weights[1:])
    return math.prod(_known(shapes, node.output[0], node)) * _terms(node, given, weights)


def _terms(node: onnx.NodeProto, given: Shape, weights: Shape) -> int:
    """Return how many products an element of the output is the sum of."""
    if "Conv" in node.op_type:
        return math.prod(weights[1:])
    transposed = node.op_type == "Gemm" and any(each.name == "transA" and each.i for each in node.attribute)
    return given[0 if transposed else -1]


def _known(shapes: Mapping[str, Shape], name: str, node: onnx.NodeProto) -> Shape:
    if name not in shapes:
        raise ValueError(f"The shape of '{name}' at node '{node.name}' is not known before the model runs.")
    return shapes[name]


def _shapes(model: onnx.ModelProto) -> dict[str, Shape]:
    """Return the shapes, for one image, of all tensors that have one of fixed size."""
    single = onnx.ModelProto()
    single.CopyFrom(model)
    graph = single.graph
    # Written down, they may have another batch size in them.
    del graph.value_info[:]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    constants = {each.name for each in graph.initializer}
    for value in graph.input:
        sides = value.type.tensor_type.shape.dim
        if value.name not in constants and sides:
            sides[0].dim_value = 1
    inferred = onnx.shape_inference.infer_shapes(single, data_prop=True).graph
    shapes = {each.name: tuple(each.dims) for each in graph.initializer}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and _is_fixed(tensor.shape.dim):
            shapes[value.name] = tuple(side.dim_value for side in tensor.shape.dim)
    return shapes


def _is_fixed(sides: Sequence[onnx.TensorShapeProto.Dimension]) -> bool:
    return all(side.HasField("dim_value") for side in sides)
