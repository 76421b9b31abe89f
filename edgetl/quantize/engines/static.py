"""Static int8 quantization by ONNX Runtime's quantizer, with ranges of our own."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

from edgetl.quantize.calibration.observe import calibrate
from edgetl.quantize.calibration.ranges import Range
from edgetl.quantize.engines.base import Images
from edgetl.recipes import Recipe

_TYPES: Mapping[str, QuantType] = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}

# TensorRT reads float weights with a Q/DQ pair of their own, one pair for each reader, and float biases.
_LAYOUTS: Mapping[str, Mapping[str, Any]] = {
    "onnxruntime": {},
    "tensorrt": {"AddQDQPairToWeight": True, "DedicatedQDQPair": True, "QuantizeBias": False},
}


def quantize(model: onnx.ModelProto, recipe: Recipe, images: Images) -> onnx.ModelProto:
    """Return ``model`` with Q/DQ pairs by ``recipe``, its ranges taken from ``images``.

    The quantizer's class is called and not ``quantize_static``, which insists on calibrating by itself, holds every
    activation of every image for a histogram, and uses as many bins as there are quantized values.
    """
    typed = onnx.shape_inference.infer_shapes(model)
    return insert_pairs(typed, recipe, calibrate(typed, images(), recipe))


def insert_pairs(model: onnx.ModelProto, recipe: Recipe, ranges: Mapping[str, Range]) -> onnx.ModelProto:
    """Return ``model`` (shapes inferred) with Q/DQ pairs by ``recipe`` for the given ranges."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    operators = sorted({*QLinearOpsRegistry, *QDQRegistry} - set(recipe.exclude_operators))
    options = {
        **_LAYOUTS[recipe.layout],
        "ActivationSymmetric": recipe.symmetric_activations,
        "WeightSymmetric": recipe.weights == "int8",
    }
    with _quiet():
        quantizer = QDQQuantizer(
            copy,
            recipe.per_channel,
            recipe.reduce_range,
            _TYPES[recipe.weights],
            _TYPES[recipe.activations],
            _tensors_data(ranges),
            [],
            list(recipe.exclude_nodes),
            operators,
            options,
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
    result: onnx.ModelProto = quantizer.model.model
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
