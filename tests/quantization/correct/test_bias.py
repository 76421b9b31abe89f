"""Bias correction: a layer's mean error goes, errors do not count twice, and integers never wrap around."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from onnx import numpy_helper  # noqa: E402

from edgetl import recipes  # noqa: E402
from edgetl.quantization.correct.bias import correct_biases, with_biases  # noqa: E402
from edgetl.quantization.engines import static  # noqa: E402
from tests.quantization.correct import networks  # noqa: E402

pytestmark = pytest.mark.engine

RECIPE = recipes.load("u8s8-minmax").model_copy(update={"per_channel": False})


def _batches() -> Iterator[Any]:
    # The last batch is smaller: the mean is that of images, not of batches.
    yield from (networks.pixels(4, seed) for seed in range(3))
    yield networks.pixels(1, 3)


def _pair(recipe: Any = RECIPE) -> tuple[Any, Any]:
    model = with_biases(networks.residual())
    return model, static.quantize(model, recipe, _batches)


def _value(model: Any, name: str) -> Any:
    return numpy_helper.to_array(next(each for each in model.graph.initializer if each.name == name))


def _biases(model: Any) -> dict[str, Any]:
    made = {name: node for node in model.graph.node for name in node.output}
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    return {
        node.name: _value(model, made[node.input[2]].input[0] if node.input[2] in made else node.input[2])
        for node in layers
    }


def _mean_error(model: Any, quantized: Any) -> Any:
    """Of the logits, by class, over all images."""
    errors = [networks.run(quantized, batch) - networks.run(model, batch) for batch in _batches()]
    return np.concatenate(errors).mean(axis=0)


def test_every_layer_has_a_bias_and_the_logits_stay() -> None:
    model = networks.residual(biases=False)
    biased = with_biases(model)
    layers = [node for node in biased.graph.node if node.op_type in ("Conv", "Gemm")]
    assert all(len(node.input) == 3 for node in layers)
    assert len({node.input[2] for node in layers}) == len(layers)
    np.testing.assert_array_equal(networks.run(biased), networks.run(model))


@pytest.mark.parametrize("layout", ["onnxruntime", "tensorrt"])
def test_the_bias_moves_by_the_mean_error_of_the_layer_alone(layout: str) -> None:
    model, quantized = _pair(
        RECIPE.model_copy(update={"layout": layout, "symmetric_activations": True, "activations": "int8"})
    )
    corrected = correct_biases(quantized, model, _batches)
    before, after = _biases(quantized), _biases(corrected)
    gemm = next(node for node in quantized.graph.node if node.op_type == "Gemm")
    made = {name: node for node in quantized.graph.node for name in node.output}
    scale, zero = (_value(quantized, name) for name in made[gemm.input[0]].input[1:])
    features = np.concatenate([networks.run(model, batch, "features") for batch in _batches()])
    rounded = np.clip(np.rint(features / scale) + zero, np.iinfo(zero.dtype).min, np.iinfo(zero.dtype).max)
    weights = _value(model, "head.weight")
    step = np.abs(weights).max() / 127
    error = ((rounded - zero) * scale @ (np.rint(weights / step) * step).T - features @ weights.T).mean(axis=0)
    unit = scale * step if before["head"].dtype == np.int32 else 1
    moved = (before["head"] - after["head"]) * unit
    assert np.abs(error).max() > 3 * scale * step
    np.testing.assert_allclose(moved, error, atol=scale * step)


def test_the_mean_error_of_the_logits_shrinks() -> None:
    model, quantized = _pair()
    corrected = correct_biases(quantized, model, _batches)
    before, after = (np.abs(_mean_error(model, each)).max() for each in (quantized, corrected))
    assert after < 0.5 * before


def test_nothing_but_biases_changes_and_the_inputs_stay() -> None:
    model, quantized = _pair()
    bytes_before = [each.SerializeToString(deterministic=True) for each in (model, quantized)]
    corrected = correct_biases(quantized, model, _batches)
    assert [each.SerializeToString(deterministic=True) for each in (model, quantized)] == bytes_before
    assert list(corrected.graph.node) == list(quantized.graph.node)
    changed = [
        new.name
        for old, new in zip(quantized.graph.initializer, corrected.graph.initializer, strict=True)
        if old != new
    ]
    assert changed
    assert all("bias" in name for name in changed)


def test_a_bias_at_the_end_of_its_type_stays_there() -> None:
    model, quantized = _pair()
    ends = np.iinfo(np.int32)
    plain = _biases(correct_biases(quantized, model, _batches))
    signs = np.sign(_biases(quantized)["head"] - plain["head"])
    assert {-1, 1} <= set(signs.tolist())
    made = {name: node for node in quantized.graph.node for name in node.output}
    gemm = next(node for node in quantized.graph.node if node.op_type == "Gemm")
    name = made[gemm.input[2]].input[0]
    full = np.where(signs > 0, ends.min, ends.max).astype(np.int32)
    tensor = next(each for each in quantized.graph.initializer if each.name == name)
    tensor.CopyFrom(numpy_helper.from_array(full, name))
    moved = _biases(correct_biases(quantized, model, _batches))["head"]
    np.testing.assert_array_equal(moved, full)


def test_images_are_gone_through_once() -> None:
    model, quantized = _pair()
    opened = []

    def images() -> Iterator[Any]:
        opened.append(True)
        return _batches()

    correct_biases(quantized, model, images)
    assert len(opened) == 1


def test_a_layer_in_float_keeps_its_bias() -> None:
    model, quantized = _pair(RECIPE.model_copy(update={"exclude_nodes": ("expand",)}))
    before, after = _biases(quantized), _biases(correct_biases(quantized, model, _batches))
    np.testing.assert_array_equal(before["expand"], after["expand"])
    assert (before["head"] != after["head"]).any()
