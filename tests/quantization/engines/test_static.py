"""int8 by recipes: wholly int8 where it should be, close to fp32, right for the instruction set it is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from edgetl import recipes  # noqa: E402
from edgetl.device.values import Preprocess  # noqa: E402
from edgetl.graph.from_torch import export_module  # noqa: E402
from edgetl.measure.logits import hellinger  # noqa: E402
from edgetl.quantization.calibration import observe as calibration  # noqa: E402
from edgetl.quantization.calibration.observe import session  # noqa: E402
from edgetl.quantization.engines import float16, static  # noqa: E402
from tests import trained_run as fixture  # noqa: E402

pytestmark = [pytest.mark.training, pytest.mark.engine]

SIDE = 64
SIGNAL_TO_NOISE_DB = 20.0
# The brightest of these images are cut by design where the range is that of the mean image.
OF_THE_MEAN_IMAGE_DB = 15.0


def _images(count: int = 24) -> Iterator[Any]:
    generator = np.random.default_rng(1)
    for _ in range(count // 4):
        level = generator.integers(1, 256)
        yield generator.integers(0, level, (4, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model() -> Any:
    """MobileNetV2 with random weights and settled BatchNorm statistics."""
    import torchvision

    torch.manual_seed(0)
    module = torchvision.models.mobilenet_v2(num_classes=10)
    fixture.settle(module, SIDE)
    return export_module(module, Preprocess(resize=72, crop=SIDE))


def _optimized(proto: Any, path: Path) -> None:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(path)
    ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _logits(proto: Any, count: int = 12) -> Any:
    running = session(proto)
    return np.concatenate([running.run(None, {"image": batch})[0] for batch in _images(count)])


def _signal_to_noise_db(expected: Any, found: Any) -> float:
    return float(10 * np.log10(np.sum(expected**2) / np.sum((expected - found) ** 2)))


STATIC = [
    name
    for name in recipes.names()
    if (recipes.load(name).engine, recipes.load(name).precision) == ("onnxruntime", "int8")
]


@pytest.fixture(scope="module")
def shallow() -> Any:
    """A network with what mobile ones are made of, too shallow to amplify what quantization adds."""
    from torch import nn

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.depthwise = nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1, groups=16), nn.BatchNorm2d(16), nn.ReLU6())
            self.project = nn.Sequential(nn.Conv2d(16, 16, 1), nn.BatchNorm2d(16))

        def forward(self, x: Any) -> Any:
            return x + self.project(self.depthwise(x))

    torch.manual_seed(0)
    stem = [nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU()]
    module = nn.Sequential(*stem, Residual(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    fixture.settle(module, SIDE)
    return export_module(module, Preprocess(resize=72, crop=SIDE))


@pytest.mark.parametrize("name", STATIC)
def test_every_int8_recipe_keeps_the_logits(shallow: Any, name: str) -> None:
    quantized = static.quantize(shallow, recipes.load(name), _images)
    onnx.checker.check_model(quantized, full_check=True)
    least = OF_THE_MEAN_IMAGE_DB if recipes.load(name).method == "mean-minmax" else SIGNAL_TO_NOISE_DB
    assert _signal_to_noise_db(_logits(shallow), _logits(quantized)) > least


def test_mobilenet_runs_wholly_in_int8(model: Any, tmp_path: Path) -> None:
    quantized = static.quantize(model, recipes.load("u8s8-percentile"), _images)
    path = tmp_path / "optimized.onnx"
    _optimized(quantized, path)
    operators = Counter(node.op_type for node in onnx.load(path).graph.node)
    # One Q behind the normalization, and a last product that gives float logits; everything between is integer.
    assert operators["QuantizeLinear"] == operators["QGemm"] == 1
    assert operators["DequantizeLinear"] == 0
    assert operators["QLinearConv"] == 52
    assert not {"Conv", "FusedConv", "Clip", "Add", "Gemm", "GlobalAveragePool"} & set(operators)


def test_zero_points_are_where_the_recipe_wants_them(model: Any) -> None:
    for name, kind, free in (
        ("u8s8-percentile", onnx.TensorProto.UINT8, True),
        ("s8s8-asymmetric", onnx.TensorProto.INT8, True),
        ("s8s8-symmetric", onnx.TensorProto.INT8, False),
    ):
        quantized = static.quantize(model, recipes.load(name), _images)
        constants = {each.name: each for each in quantized.graph.initializer}
        points = [constants[node.input[2]] for node in quantized.graph.node if node.op_type == "QuantizeLinear"]
        assert {point.data_type for point in points} == {kind}
        values = {int(value) for point in points for value in onnx.numpy_helper.to_array(point).ravel()}
        assert (values != {0}) is free


def test_an_excluded_operator_stays_in_float(model: Any) -> None:
    recipe = recipes.load("u8s8-minmax").model_copy(update={"exclude_operators": ("Gemm",)})
    quantized = static.quantize(model, recipe, _images)
    gemm = next(node for node in quantized.graph.node if node.op_type == "Gemm")
    assert gemm.input[1] in {each.name for each in quantized.graph.initializer}


def test_the_model_that_was_given_stays_as_it_is(model: Any) -> None:
    before = model.SerializeToString(deterministic=True)
    static.quantize(model, recipes.load("u8s8-minmax"), _images)
    float16.convert(model, recipes.load("fp16"), _images)
    assert model.SerializeToString(deterministic=True) == before


def test_fp16_halves_the_file_and_keeps_float_logits(model: Any, shallow: Any) -> None:
    half = float16.convert(model, recipes.load("fp16"), _images)
    onnx.checker.check_model(half, full_check=True)
    assert half.ByteSize() < 0.55 * model.ByteSize()
    assert half.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    half = float16.convert(shallow, recipes.load("fp16"), _images)
    assert _signal_to_noise_db(_logits(shallow), _logits(half)) > 40


def test_ranges_are_those_of_the_activations(model: Any) -> None:
    ranges = calibration.calibrate(model, _images(), recipes.load("u8s8-minmax"))
    centred = next(node for node in model.graph.node if node.op_type == "Sub").output[0]
    mean = 255 * np.array([0.485, 0.456, 0.406])
    pixels = np.concatenate(list(_images())).reshape(-1, 3) - mean
    assert ranges[centred].low == pytest.approx(pixels.min(), rel=1e-4)
    assert ranges[centred].high == pytest.approx(pixels.max(), rel=1e-4)
    for clip in (node for node in model.graph.node if node.op_type == "Clip"):
        assert 0 <= ranges[clip.output[0]].low <= ranges[clip.output[0]].high <= 6
        assert ranges[clip.input[0]] == ranges[clip.output[0]]


def test_images_are_taken_one_batch_at_a_time(model: Any) -> None:
    held: list[Any] = []

    def stream() -> Iterator[Any]:
        import weakref

        for batch in _images(40):
            # What calibration still holds of earlier batches would keep them alive.
            assert sum(reference() is not None for reference in held) <= 1
            own = batch.copy()
            held.append(weakref.ref(own))
            yield own
            del own

    for name in ("u8s8-minmax", "u8s8-percentile"):
        held.clear()
        calibration.calibrate(model, stream(), recipes.load(name))
        assert len(held) == 10


@pytest.mark.parametrize("name", ["u8s8-percentile", "u8s8-mean-minmax", "u8s8-entropy"])
def test_the_range_of_the_logits_is_never_cut(model: Any, name: str) -> None:
    expected = np.concatenate([session(model).run(None, {"image": batch})[0] for batch in _images()])
    ranges = calibration.calibrate(model, _images(), recipes.load(name))
    found = ranges[model.graph.output[0].name]
    assert (found.low, found.high) == pytest.approx((expected.min(), expected.max()), rel=1e-5)


@pytest.mark.parametrize("changes", [{}, {"equalize": True}, {"correct_bias": True}, {"layout": "tensorrt"}])
def test_the_prepared_model_is_the_float_one_node_for_node(shallow: Any, changes: dict[str, Any]) -> None:
    recipe = recipes.load("u8s8-minmax").model_copy(update=changes)
    prepared = static.prepare(shallow, recipe, _images)
    assert [node.name for node in prepared.graph.node] == [node.name for node in shallow.graph.node]
    np.testing.assert_allclose(_logits(prepared), _logits(shallow), rtol=1e-4, atol=1e-5)


def test_a_recipe_says_which_steps_are_taken(shallow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []

    def noting(name: str) -> None:
        step = getattr(static, name)
        monkeypatch.setattr(static, name, lambda *given: (taken.append(name), step(*given))[1])

    for name in ("equalize", "calibrate_each", "insert_pairs", "correct_biases"):
        noting(name)
    recipe = recipes.load("u8s8-minmax")
    static.quantize(shallow, recipe, _images)
    assert taken == ["calibrate_each", "insert_pairs"]
    taken.clear()
    both = static.quantize(shallow, recipe.model_copy(update={"equalize": True, "correct_bias": True}), _images)
    assert taken == ["equalize", "calibrate_each", "insert_pairs", "correct_biases"]
    onnx.checker.check_model(both, full_check=True)


def test_corrected_biases_bring_the_mean_logits_closer(shallow: Any) -> None:
    recipe = recipes.load("u8s8-minmax").model_copy(update={"per_channel": False})
    expected = _logits(shallow)
    errors = [
        np.abs((_logits(static.quantize(shallow, each, _images)) - expected).mean(axis=0)).max()
        for each in (recipe, recipe.model_copy(update={"correct_bias": True}))
    ]
    assert errors[1] < 0.7 * errors[0]


def test_of_several_ways_to_range_the_one_that_moves_probabilities_least_is_taken(model: Any) -> None:
    recipe = recipes.load("u8s8-minmax")

    def moved(method: str) -> float:
        made = static.quantize(model, recipe.model_copy(update={"method": method}), _images)
        return hellinger(_logits(made, 24), _logits(model, 24))

    errors = [moved(method) for method in ("mean-square", "minmax", "percentile")]
    assert moved("least-error") == pytest.approx(min(errors), rel=1e-6)
    assert max(errors) > 1.05 * min(errors)
