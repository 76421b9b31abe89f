"""Putting Q/DQ pairs into a float model by ONNX Runtime's quantizer, with ranges of our own."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

from edgetl.graph.order import in_order
from edgetl.graph.rewrite import Rewrite, rewrite
from edgetl.quantization import absorb, rectified, unpair
from edgetl.quantization.calibration.observe import infinite_constants
from edgetl.quantization.calibration.ranges import Range
from edgetl.quantization.overflow import weight_ranges
from edgetl.quantization.pairs import with_float_outputs
from edgetl.recipes import Recipe

_TYPES: Mapping[str, QuantType] = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}

# TensorRT reads float weights with a Q/DQ pair of their own, one pair for each reader, and float biases.
_LAYOUTS: Mapping[str, Mapping[str, Any]] = {
    # ONNX Runtime itself drops a Clip that a range makes superfluous; kept in the file, the node before it can be put
    # back into float.
    "onnxruntime": {"QDQKeepRemovableActivations": True},
    "openvino": {"QDQKeepRemovableActivations": True},
    "tensorrt": {"AddQDQPairToWeight": True, "DedicatedQDQPair": True, "QuantizeBias": False},
}

# What is rewritten behind the quantizer; TensorRT fuses by itself.
_AFTERWARDS: Mapping[str, tuple[Rewrite, ...]] = {
    "onnxruntime": (absorb, rectified),
    "openvino": (unpair, rectified),
    "tensorrt": (),
}
# What the quantizer knows and engines compute in float all the same: a pair would only round its parameters.
_IN_FLOAT = ("BatchNormalization",)
OPERATORS = frozenset({*QLinearOpsRegistry, *QDQRegistry}.difference(_IN_FLOAT))
"""What gets pairs, unless a recipe excludes it."""


def insert_pairs(model: onnx.ModelProto, recipe: Recipe, ranges: Mapping[str, Range]) -> onnx.ModelProto:
    """Return ``model`` (shapes inferred) with Q/DQ pairs by ``recipe`` for the given ranges."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    operators = sorted(OPERATORS.difference(recipe.exclude_operators))
    options = {
        **_LAYOUTS[recipe.layout],
        "ActivationSymmetric": recipe.symmetric_activations,
        "WeightSymmetric": recipe.weights == "int8",
    }
    if recipe.reduce_range and recipe.weights == "int8":
        options["TensorQuantOverrides"] = weight_ranges(model, per_channel=recipe.per_channel)
    with _quiet():
        quantizer = QDQQuantizer(
            copy,
            recipe.per_channel,
            recipe.reduce_range,
            _TYPES[recipe.weights],
            _TYPES[recipe.activations],
            _tensors_data(ranges),
            [],
            [*recipe.exclude_nodes, *_unfit(model)],
            operators,
            options,
        )
        quantizer.quantize_model()
    return with_float_outputs(rewritten(in_order(quantizer.model.model), _AFTERWARDS[recipe.layout]), model)


def _unfit(model: onnx.ModelProto) -> list[str]:
    """Return the names of the nodes that the quantizer cannot write pairs for.

    It gives the weights of a grouped ConvTranspose scales along the wrong axis, takes infinite constants for ends, and
    would make a finite number of an infinity that a node reads which such a constant brought in.
    """
    infinite = infinite_constants(model.graph)
    brought = {name for node in model.graph.node if infinite.intersection(node.input) for name in node.output}
    return [
        node.name
        for node in model.graph.node
        if _is_grouped_transpose(node) or (infinite | brought).intersection(node.input)
    ]


def _is_grouped_transpose(node: onnx.NodeProto) -> bool:
    return node.op_type == "ConvTranspose" and any(each.name == "group" and each.i > 1 for each in node.attribute)


def rewritten(model: onnx.ModelProto, rewrites: Sequence[Rewrite]) -> onnx.ModelProto:
    """Return ``model`` after ``rewrites``, itself where none applies."""
    graph = ir.from_proto(model)
    if not any(rewrite(graph, rewrites).values()):
        return model
    RemoveUnusedNodesPass()(graph)
    result: onnx.ModelProto = ir.to_proto(graph)
    return result


def _tensors_data(ranges: Mapping[str, Range]) -> Any:
    data = {
        name: TensorData(lowest=np.float32(each.low), highest=np.float32(each.high)) for name, each in ranges.items()
    }
    return TensorsData(CalibrationMethod.MinMax, data)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantizer's remarks on each node from the root logger; errors pass."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
