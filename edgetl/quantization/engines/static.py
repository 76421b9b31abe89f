"""Static int8 quantization by ONNX Runtime's quantizer, with ranges of our own."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

from edgetl.graph import hard_sigmoid, hard_swish, pooled_gemm
from edgetl.graph.rewrite import Rewrite, rewrite
from edgetl.measure.logits import difference, hellinger
from edgetl.quantization import absorb, rectified_sum, unpair
from edgetl.quantization.calibration.observe import calibrate_each, session
from edgetl.quantization.calibration.ranges import Range
from edgetl.quantization.correct.bias import correct_biases, with_biases
from edgetl.quantization.correct.equalize import equalize
from edgetl.quantization.engines.base import Images
from edgetl.quantization.overflow import weight_ranges
from edgetl.quantization.pairs import with_float_outputs
from edgetl.recipes import Recipe

_TYPES: Mapping[str, QuantType] = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}

# What ONNX Runtime can run in int8 only when it is written otherwise. Float models keep their operators.
_ONNX_RUNTIME: tuple[Rewrite, ...] = (hard_sigmoid, hard_swish)

_CHECK_BATCHES = 2
# Of four images each, for means over images.
_FEW_BATCHES = 12

# TensorRT reads float weights with a Q/DQ pair of their own, one pair for each reader, and float biases.
_LAYOUTS: Mapping[str, Mapping[str, Any]] = {
    # ONNX Runtime itself drops a Clip that a range makes superfluous; kept in the file, the node before it can be put
    # back into float.
    "onnxruntime": {"QDQKeepRemovableActivations": True},
    "openvino": {"QDQKeepRemovableActivations": True},
    "tensorrt": {"AddQDQPairToWeight": True, "DedicatedQDQPair": True, "QuantizeBias": False},
}


def quantize(model: onnx.ModelProto, recipe: Recipe, images: Images) -> onnx.ModelProto:
    """Return ``model`` with Q/DQ pairs by ``recipe``, its ranges taken from ``images``.

    Raises ValueError where a step that must keep the float logits did not. The quantizer's class is called and not
    ``quantize_static``, which insists on calibrating by itself, holds every activation of every image for a histogram,
    and uses as many bins as there are quantized values.
    """
    prepared = prepare(model, recipe, images)
    quantized = _least_error(prepared, recipe, images)
    return correct_biases(quantized, prepared, _few(images)) if recipe.correct_bias else quantized


def _least_error(model: onnx.ModelProto, recipe: Recipe, images: Images) -> onnx.ModelProto:
    """Return ``model`` with pairs by those ranges, of the methods that the recipe stands for, that cost least.

    What counts is how far the predicted probabilities move. The logits' own error tells how well the few largest
    values are kept: by it, ranges that clip nothing won, which agreed with fp32 on fewer images.
    """
    by_method = calibrate_each(model, images(), recipe)
    made = [insert_pairs(model, recipe, ranges) for ranges in by_method.values()]
    if len(made) == 1:
        return made[0]
    # Decoded once for all of them: some megabytes.
    compared = list(_few(images)())
    expected, *found = (_first_logits(each, lambda: iter(compared), _FEW_BATCHES) for each in (model, *made))
    errors = [hellinger(logits, expected) for logits in found]
    return made[int(np.argmin(errors))]


def prepare(model: onnx.ModelProto, recipe: Recipe, images: Images) -> onnx.ModelProto:
    """Return the float model (shapes inferred) that gets the Q/DQ pairs: rewritten, and equalized if so asked.

    Nodes keep their names, and new ones are named after what they stand for. Raises ValueError where a step changed the
    logits of the first of ``images`` by more than rounding.
    """
    shaped = onnx.shape_inference.infer_shapes(model)
    prepared = _rewritten(shaped, _rewrites(recipe))
    require_kept(shaped, prepared, images, "Writing the graph in int8 operators")
    if recipe.equalize:
        equalized = equalize(prepared, _few(images))
        require_kept(prepared, equalized, images, "Equalization")
        prepared = equalized
    if recipe.correct_bias:
        prepared = with_biases(prepared)
    return onnx.shape_inference.infer_shapes(prepared)


def _rewrites(recipe: Recipe) -> tuple[Rewrite, ...]:
    if recipe.layout == "onnxruntime":
        return _ONNX_RUNTIME
    # A reduced range is for x86-64 without VNNI.
    return (pooled_gemm,) if recipe.layout == "openvino" and recipe.reduce_range else ()


def require_kept(before: onnx.ModelProto, after: onnx.ModelProto, images: Images, step: str) -> None:
    """Raise ValueError, which names ``step``, where ``after`` has not the logits of ``before`` on the first images."""
    if before is after:
        return
    expected, found = (_first_logits(model, images) for model in (before, after))
    gap, allowed = difference(found, expected)
    if not gap <= allowed:
        raise ValueError(
            f"{step} changed the float logits by {gap:.2g}, where {allowed:.2g} is allowed, so nothing was "
            "quantized. Take a recipe without this step."
        )


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
            list(recipe.exclude_nodes),
            operators,
            options,
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
    result: onnx.ModelProto = quantizer.model.model
    if recipe.layout == "tensorrt":
        return result
    return with_float_outputs(
        _rewritten(result, (unpair, rectified_sum) if recipe.layout == "openvino" else (absorb, rectified_sum))
    )


def _rewritten(model: onnx.ModelProto, rewrites: Sequence[Rewrite]) -> onnx.ModelProto:
    """Return ``model`` after ``rewrites``, itself where none applies."""
    graph = ir.from_proto(model)
    if not any(rewrite(graph, rewrites).values()):
        return model
    RemoveUnusedNodesPass()(graph)
    result: onnx.ModelProto = ir.to_proto(graph)
    return result


def _few(images: Images) -> Images:
    """Return the first of ``images``, enough for means and for each channel's size: a pass over all takes its time."""
    return lambda: itertools.islice(images(), _FEW_BATCHES)


def _first_logits(model: onnx.ModelProto, images: Images, count: int = _CHECK_BATCHES) -> NDArray[np.float32]:
    running, image = session(model), model.graph.input[0].name
    batches = itertools.islice(images(), count)
    return np.concatenate([running.run(None, {image: batch})[0] for batch in batches])


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
