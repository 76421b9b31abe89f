"""Equalization: the same function, channels of one size, and nothing touched where that cannot be had."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper  # noqa: E402

from edgetl import recipes  # noqa: E402
from edgetl.quantization.correct.equalize import MARGIN, equalize  # noqa: E402
from edgetl.quantization.engines import static  # noqa: E402
from tests.quantization.correct import networks  # noqa: E402

pytestmark = pytest.mark.engine

# By what the hard case multiplies channels: up to a factor of 1,000 between two that share a range.
REACH = 1.5


def _batches() -> Iterator[Any]:
    return (networks.pixels(4, seed) for seed in range(3))


def _images() -> Any:
    return np.concatenate(list(_batches()))


def _same(first: Any, second: Any) -> None:
    expected = networks.run(first, _images())
    assert np.ptp(expected, axis=0).max() > 0.02
    np.testing.assert_allclose(networks.run(second, _images()), expected, rtol=1e-4, atol=1e-5)


def _factors(channels: int, seed: int = 5) -> Any:
    return 10 ** np.random.default_rng(seed).uniform(-REACH, REACH, channels)


def _rescaled(model: Any, makers: tuple[str, ...], readers: tuple[str, ...], factors: Any) -> Any:
    """Return ``model`` with the channels between ``makers`` and ``readers`` multiplied; the function stays."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for name in makers:
        for kind in ("weight", "bias"):
            array = networks.constant(copy, f"{name}.{kind}")
            networks.set_constant(copy, f"{name}.{kind}", array * factors.reshape(-1, *[1] * (array.ndim - 1)))
    for name in readers:
        array = networks.constant(copy, f"{name}.weight")
        across = (-1, 1, 1, 1) if array.shape[1] == 1 else (1, -1, *[1] * (array.ndim - 2))
        networks.set_constant(copy, f"{name}.weight", array / factors.reshape(across))
    return copy


def _spread(model: Any, value: str) -> float:
    """The largest over the smallest channel of an activation."""
    sizes = np.abs(networks.run(model, _images(), value)).max(axis=(0, 2, 3))
    return float(sizes.max() / sizes[sizes > 0].min())


STREAMS = [
    (("stem", "project"), ("expand", "last"), "s", "Relu"),
    (("expand",), ("depthwise",), "c", "Relu"),
    (("depthwise",), ("project",), "e", "Relu"),
    (("last",), ("head",), "h", "Relu"),
    (("stem", "project"), ("expand", "last"), "s", "Clip"),
]


@pytest.mark.parametrize(("makers", "readers", "value", "activation"), STREAMS)
def test_a_rescaling_of_channels_is_undone(makers: Any, readers: Any, value: str, activation: str) -> None:
    plain = networks.residual(activation=activation)
    channels = len(networks.constant(plain, f"{makers[0]}.bias"))
    hard = _rescaled(plain, makers, readers, _factors(channels))
    _same(plain, hard)
    assert _spread(hard, value) > 20 * _spread(plain, value)
    equalized = equalize(hard, _batches)
    _same(plain, equalized)
    # Up to one factor for all channels, it is what becomes of the network that was not rescaled.
    of_plain = np.abs(networks.run(equalize(plain, _batches), _images(), value)).max(axis=(0, 2, 3))
    of_hard = np.abs(networks.run(equalized, _images(), value)).max(axis=(0, 2, 3))
    live = of_plain > 0
    ratio = of_hard[live] / of_plain[live]
    if (makers, activation) in ((("stem", "project"), "Relu"), (("stem", "project"), "Clip")):
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)
    else:
        assert ratio.max() / ratio.min() < 4


@pytest.mark.parametrize("activation", ["Relu", "Clip"])
def test_the_function_and_the_given_model_stay(activation: str) -> None:
    model = networks.residual(activation=activation)
    before = model.SerializeToString(deterministic=True)
    equalized = equalize(model, _batches)
    _same(model, equalized)
    assert model.SerializeToString(deterministic=True) == before
    assert [node.name for node in equalized.graph.node] == [node.name for node in model.graph.node]
    assert (networks.constant(equalized, "expand.weight") != networks.constant(model, "expand.weight")).any()


def test_a_layer_without_a_bias_gets_none() -> None:
    model = networks.residual(biases=False)
    equalized = equalize(model, _batches)
    _same(model, equalized)
    assert not any("bias" in each.name for each in equalized.graph.initializer)


def test_channels_near_the_bound_keep_their_scale_and_others_keep_away_from_it() -> None:
    plain = networks.residual(activation="Clip")
    # Half of the channels are driven into the bound, the others hardly speak.
    factors = np.where(np.arange(networks.WIDE) % 2, 100.0, 0.02)
    model = _scaled_makers(plain, "expand", factors)
    # Large weights ask for large activations, which the bound does not allow.
    loud = np.where(np.arange(networks.WIDE) % 2, 1, 1000).reshape(-1, 1, 1, 1)
    networks.set_constant(model, "depthwise.weight", networks.constant(model, "depthwise.weight") * loud)
    before = np.abs(networks.run(model, _images(), "c")).max(axis=(0, 2, 3))
    reached = before == 6
    assert reached.any()
    equalized = equalize(model, _batches)
    _same(model, equalized)
    after = np.abs(networks.run(equalized, _images(), "c")).max(axis=(0, 2, 3))
    np.testing.assert_allclose(after[reached], 6)
    quiet = (before > 0) & (before < 0.5)
    assert quiet.sum() > 8
    assert (after[quiet] > 1.5 * before[quiet]).all()
    assert after[quiet].max() <= 6 / MARGIN * 1.001


def test_a_silent_channel_keeps_its_scale() -> None:
    model = networks.residual()
    for kind in ("weight", "bias"):
        array = networks.constant(model, f"expand.{kind}").copy()
        array[3] = -1 if kind == "bias" else 0
        networks.set_constant(model, f"expand.{kind}", array)
    equalized = equalize(model, _batches)
    _same(model, equalized)
    assert networks.constant(equalized, "expand.bias")[3] == -1


@pytest.mark.parametrize(
    ("operator", "source"),
    [("Sigmoid", "a"), ("Softmax", "s"), ("LogSoftmax", "f")],
)
def test_a_stream_with_another_reader_is_left_alone(operator: str, source: str) -> None:
    model = networks.residual(extra=[helper.make_node(operator, [source], ["other"], name="other")])
    model.graph.output.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, None))
    equalized = equalize(model, _batches)
    for name in ("stem.bias", "project.bias"):
        np.testing.assert_array_equal(networks.constant(equalized, name), networks.constant(model, name))
    for value in ("logits", "other"):
        expected = networks.run(model, _images(), value)
        np.testing.assert_allclose(networks.run(equalized, _images(), value), expected, rtol=1e-4, atol=1e-5)


def test_a_stream_that_is_an_output_is_left_alone() -> None:
    model = networks.residual()
    model.graph.output.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, None))
    equalized = equalize(model, _batches)
    np.testing.assert_array_equal(networks.constant(equalized, "expand.bias"), networks.constant(model, "expand.bias"))
    expected = networks.run(model, _images(), "c")
    np.testing.assert_allclose(networks.run(equalized, _images(), "c"), expected, rtol=1e-4, atol=1e-5)


def test_a_clip_that_is_not_at_zero_keeps_its_stream() -> None:
    model = networks.residual(activation="Clip")
    networks.set_constant(model, "low", np.array(-0.2))
    hard = _rescaled(model, ("stem", "project"), ("expand", "last"), _factors(networks.WIDTH))
    equalized = equalize(hard, _batches)
    _same(hard, equalized)
    np.testing.assert_array_equal(
        networks.constant(equalized, "depthwise.bias"), networks.constant(hard, "depthwise.bias")
    )
    np.testing.assert_array_equal(networks.constant(equalized, "expand.bias"), networks.constant(hard, "expand.bias"))


def test_features_with_positions_are_not_taken_for_channels() -> None:
    model = networks.residual()
    graph = model.graph
    pool = next(node for node in graph.node if node.name == "pool")
    pool.op_type = "AveragePool"
    pool.attribute.append(helper.make_attribute("kernel_shape", [4, 4]))
    pool.attribute.append(helper.make_attribute("strides", [4, 4]))
    weight = np.random.default_rng(3).standard_normal((networks.CLASSES, networks.WIDE * 4)).astype(np.float32)
    networks.set_constant(model, "head.weight", weight)
    equalized = equalize(model, _batches)
    _same(model, equalized)
    np.testing.assert_array_equal(networks.constant(equalized, "last.bias"), networks.constant(model, "last.bias"))
    np.testing.assert_array_equal(networks.constant(equalized, "head.weight"), weight)


def test_weights_that_another_layer_shares_stay_for_that_one() -> None:
    model = networks.residual()
    for node in model.graph.node:
        if node.name == "last":
            node.input[1], node.input[2] = "expand.weight", "expand.bias"
    equalized = equalize(model, _batches)
    _same(model, equalized)
    read = [node.input[1] for node in equalized.graph.node if node.name in ("expand", "last")]
    assert len(set(read)) == 2


def test_an_equalization_that_changes_the_logits_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = networks.residual()
    networks.set_constant(broken, "head.bias", networks.constant(broken, "head.bias") + 0.01)
    monkeypatch.setattr(static, "equalize", lambda model, images: broken)
    plain = recipes.load("u8s8-minmax")
    equalized = plain.model_copy(update={"equalize": True})
    expected, found = (static.quantize(networks.residual(), each, _batches) for each in (plain, equalized))
    assert found == expected


def test_int8_is_as_good_as_if_nothing_had_been_rescaled() -> None:
    plain = networks.residual(activation="Clip")
    hard = _rescaled(plain, ("stem", "project"), ("expand", "last"), _factors(networks.WIDTH))
    recipe = recipes.load("u8s8-percentile")
    expected = networks.run(plain, _images())

    def decibels(model: Any, **changes: Any) -> float:
        found = networks.run(static.quantize(model, recipe.model_copy(update=changes), _batches), _images())
        return float(10 * np.log10(np.sum(expected**2) / np.sum((expected - found) ** 2)))

    assert decibels(hard) < decibels(plain) - 10
    assert decibels(hard, equalize=True) > decibels(plain) - 4


@pytest.mark.realdata
@pytest.mark.training
def test_mobilenet_with_rescaled_streams_comes_back(shared_data: Path) -> None:
    torch = pytest.importorskip("torch")
    import torchvision

    from edgetl.device.values import Preprocess
    from edgetl.graph.from_torch import export_module
    from edgetl.pixels import iter_pixels

    weights = shared_data / "weights" / "mobilenet_v2-imagenet1k.pth"
    if not weights.is_file():
        pytest.skip("no ImageNet weights of MobileNetV2 here")
    preprocess = Preprocess(resize=110, crop=96)
    files = sorted((shared_data / "datasets" / "imagenet1k-sample").rglob("*.JPEG"))[::20][:24]
    pixels = np.concatenate([each for _, each in iter_pixels(files, preprocess)])
    module = torchvision.models.mobilenet_v2()
    module.load_state_dict(torch.load(weights, weights_only=True))
    model = export_module(module.eval(), preprocess)
    hard = _rescaled_streams(model)
    expected = networks.run(model, pixels[12:])
    np.testing.assert_allclose(networks.run(hard, pixels[12:]), expected, rtol=1e-3, atol=1e-4)
    recipe = recipes.load("u8s8-percentile")

    def decibels(model: Any, **changes: Any) -> float:
        quantized = static.quantize(
            model, recipe.model_copy(update=changes), lambda: iter(pixels[:12].reshape(3, 4, 96, 96, 3))
        )
        found = networks.run(quantized, pixels[12:])
        return float(10 * np.log10(np.sum(expected**2) / np.sum((expected - found) ** 2)))

    plain = decibels(model)
    assert plain > 10
    assert decibels(hard) < 3
    assert decibels(hard, equalize=True) > plain - 2.5


def _scaled_makers(model: Any, name: str, factors: Any) -> Any:
    """Return ``model`` with what ``name`` makes multiplied: another function, of channels of other sizes."""
    return _rescaled(model, (name,), (), factors)


def _rescaled_streams(model: Any) -> Any:
    """Return ``model`` with the channels of all its linear streams multiplied at random; the function stays."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    stream: dict[str, str] = {}
    for add in (node for node in copy.graph.node if node.op_type == "Add"):
        stream |= dict.fromkeys((*add.input, *add.output), stream.get(add.input[0], add.input[0]))
    clipped = {node.input[0] for node in copy.graph.node if node.op_type == "Clip"}
    generator, factors = np.random.default_rng(0), {}
    convolutions = [node for node in copy.graph.node if node.op_type == "Conv"]
    for node in convolutions:
        if node.output[0] not in clipped:
            name = stream.get(node.output[0], node.output[0])
            channels = len(networks.constant(copy, node.input[2]))
            by = factors.setdefault(name, 10 ** generator.uniform(-REACH, REACH, channels))
            networks.set_constant(copy, node.input[1], networks.constant(copy, node.input[1]) * by.reshape(-1, 1, 1, 1))
            networks.set_constant(copy, node.input[2], networks.constant(copy, node.input[2]) * by)
    for node in convolutions:
        name = stream.get(node.input[0], node.input[0])
        if name in factors:
            by = factors[name].reshape(1, -1, 1, 1)
            networks.set_constant(copy, node.input[1], networks.constant(copy, node.input[1]) / by)
    return copy
