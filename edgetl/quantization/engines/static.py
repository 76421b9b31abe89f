"""Static int8: the float model is made ready, its ranges observed, Q/DQ pairs put in and biases corrected."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
from numpy.typing import NDArray

from edgetl.graph import hard_sigmoid, hard_swish, pooled_gemm
from edgetl.graph.rewrite import Rewrite
from edgetl.measure.logits import difference, hellinger
from edgetl.quantization.calibration.observe import calibrate_each, session
from edgetl.quantization.correct.bias import correct_biases, with_biases
from edgetl.quantization.correct.equalize import equalize
from edgetl.quantization.engines.base import Images
from edgetl.quantization.engines.insert import insert_pairs, rewritten
from edgetl.recipes import Recipe

# What ONNX Runtime can run in int8 only when it is written otherwise. Float models keep their operators.
_ONNX_RUNTIME: tuple[Rewrite, ...] = (hard_sigmoid, hard_swish)

_CHECK_BATCHES = 2
# Of four images each, for means over images.
_FEW_BATCHES = 12


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

    Nodes keep their names, and new ones are named after what they stand for. An equalization that changes the logits of
    the first of ``images`` by more than rounding is left out; raises ValueError where a rewrite does.
    """
    shaped = onnx.shape_inference.infer_shapes(model)
    prepared = rewritten(shaped, _rewrites(recipe))
    if prepared is not shaped:
        _require_kept(shaped, prepared, images)
    if recipe.equalize:
        prepared = _equalized(prepared, images)
    if recipe.correct_bias:
        prepared = with_biases(prepared)
    return onnx.shape_inference.infer_shapes(prepared)


def _equalized(model: onnx.ModelProto, images: Images) -> onnx.ModelProto:
    """Return ``model`` equalized, or as it is where that would change its logits: int8 may be good enough without."""
    equalized = equalize(model, _few(images))
    gap, allowed = _change(model, equalized, images)
    return equalized if gap <= allowed else model


def _rewrites(recipe: Recipe) -> tuple[Rewrite, ...]:
    if recipe.layout == "onnxruntime":
        return _ONNX_RUNTIME
    # A reduced range is for x86-64 without VNNI.
    return (pooled_gemm,) if recipe.layout == "openvino" and recipe.reduce_range else ()


def _require_kept(before: onnx.ModelProto, after: onnx.ModelProto, images: Images) -> None:
    """Raise ValueError where ``after`` has not the logits of ``before``."""
    gap, allowed = _change(before, after, images)
    if not gap <= allowed:
        raise ValueError(
            f"Writing the graph in int8 operators changed the float logits by {gap:.2g}, where {allowed:.2g} is "
            "allowed. Please report this."
        )


def _change(before: onnx.ModelProto, after: onnx.ModelProto, images: Images) -> tuple[float, float]:
    """Return by how much the logits of the first images differ, and by how much they may."""
    expected, found = (_first_logits(model, images) for model in (before, after))
    return difference(found, expected)


def _few(images: Images) -> Images:
    """Return the first of ``images``, enough for means and for each channel's size: a pass over all takes its time."""
    return lambda: itertools.islice(images(), _FEW_BATCHES)


def _first_logits(model: onnx.ModelProto, images: Images, count: int = _CHECK_BATCHES) -> NDArray[np.float32]:
    running, image = session(model), model.graph.input[0].name
    batches = itertools.islice(images(), count)
    return np.concatenate([running.run(None, {image: batch})[0] for batch in batches])
