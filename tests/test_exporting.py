"""Export: what is written computes what torch computes, says what it is, and carries nothing of this machine."""

from __future__ import annotations

import contextlib
import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from edgetl import classifier as classifiers  # noqa: E402
from edgetl import runs  # noqa: E402
from edgetl.artifacts import FinetuneResult  # noqa: E402
from edgetl.device.values import Preprocess  # noqa: E402
from edgetl.errors import ExportError, UsageError  # noqa: E402
from edgetl.evaluation import Evaluation  # noqa: E402
from edgetl.exporting import ExportSettings, compare, export, inputs, torch_logits  # noqa: E402
from edgetl.graph import metadata  # noqa: E402
from edgetl.graph.from_torch import export_module  # noqa: E402
from edgetl.progress import Silent  # noqa: E402
from tests import trained_run as fixture  # noqa: E402

pytestmark = [pytest.mark.training, pytest.mark.engine]

SMALL = Preprocess(resize=40, crop=32)


class Recorder(Silent):
    """Progress that remembers remarks."""

    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a trained classifier and its exported model."""
    return fixture.exported_run(tmp_path_factory.mktemp("export"))


def _small(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    layers = [torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU6(inplace=True)]
    return torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 5)).eval()


def _pixels(count: int, side: int = 32) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def test_the_result_belongs_to_the_run_and_its_classifier(exported: Path) -> None:
    result = runs.exported(exported)
    assert result.parent_sha256 == FinetuneResult.load(exported).sha256
    assert 0 < result.max_abs_diff <= result.tolerance
    assert result.size_bytes == (exported / result.model).stat().st_size


def test_the_model_takes_uint8_images_in_any_number_and_gives_logits(exported: Path) -> None:
    session = ort.InferenceSession(str(exported / "model.onnx"), providers=["CPUExecutionProvider"])
    (image,), (logits,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type, image.shape) == ("image", "tensor(uint8)", ["batch", 64, 64, 3])
    assert (logits.name, logits.type, logits.shape) == ("logits", "tensor(float)", ["batch", 3])
    _, module = classifiers.load(exported / classifiers.FILE)
    for count in (1, 2, 7):
        pixels = _pixels(count, 64)
        expected = torch_logits(module, fixture.PREPROCESS, pixels)
        found = session.run(None, {"image": pixels})[0]
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_the_model_says_what_it_is(exported: Path) -> None:
    facts = metadata.read(exported / "model.onnx")
    trained = FinetuneResult.load(exported)
    assert facts.classes == ("dark", "middle", "pale")
    assert (facts.arch, facts.layout, facts.preprocess) == ("mobilenet_v2", "NHWC", fixture.PREPROCESS)
    assert (facts.parent_sha256, facts.data_sha256) == (trained.sha256, trained.data_sha256)
    keys = {entry.key for entry in onnx.load(exported / "model.onnx").metadata_props}
    assert {"edgetl.schema", "edgetl.version"} <= keys


def test_nothing_of_this_machine_is_inside(exported: Path) -> None:
    data = (exported / "model.onnx").read_bytes()
    for trace in (b"site-packages", b".py", str(exported).encode(), str(Path.cwd()).encode()):
        assert trace not in data


def test_normalization_costs_one_pass_and_pooling_can_be_quantized(exported: Path) -> None:
    operators = [node.op_type for node in onnx.load(exported / "model.onnx").graph.node]
    assert operators[:4] == ["Cast", "Sub", "Transpose", "Conv"]
    assert "GlobalAveragePool" in operators
    assert not {"ReduceMean", "BatchNormalization", "Mul"} & set(operators)


def test_the_same_weights_give_the_same_bytes() -> None:
    first, second = (export_module(_small(), SMALL).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_the_module_is_left_as_it_was() -> None:
    module = _small()
    export_module(module, SMALL)
    assert module[2].inplace is True


@pytest.mark.parametrize("broken", ["weights", "not finite", "normalization"])
def test_a_model_that_computes_something_else_is_refused(broken: str, tmp_path: Path) -> None:
    module = _small()
    if broken == "normalization":
        proto = export_module(module, Preprocess(resize=40, crop=32, mean=(0.48, 0.45, 0.40)))
    else:
        proto = export_module(module, SMALL)
        weights = next(each for each in proto.graph.initializer if len(each.dims) == 4 and each.name != "image_mean")
        array = onnx.numpy_helper.to_array(weights).copy()
        array.flat[0] = np.nan if broken == "not finite" else array.flat[0] + 0.05
        weights.CopyFrom(onnx.numpy_helper.from_array(array, weights.name))
    path = tmp_path / "broken.onnx"
    onnx.save(proto, path)
    with pytest.raises(ExportError, match="differ from torch's"):
        compare(path, module, SMALL, _pixels(12))


def test_a_sound_model_passes_the_same_check(tmp_path: Path) -> None:
    module = _small()
    path = tmp_path / "sound.onnx"
    onnx.save(export_module(module, SMALL), path)
    difference, tolerance = compare(path, module, SMALL, _pixels(13))
    assert difference < tolerance / 10


PLAIN = Preprocess(resize=40, crop=32, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def _one_black() -> Any:
    """Return six images, the fourth of them black."""
    pixels = _pixels(6)
    pixels[3] = 0
    return pixels


class Wild(torch.nn.Module):
    """Right to the last digit on a black image, while rounding decides what it answers to any other."""

    def forward(self, images: Any) -> Any:
        mean = images.mean((1, 2, 3))
        return torch.stack([1 + mean, 1000 * torch.sin(1e7 * mean)], 1)


@pytest.mark.parametrize(("wrong", "refused"), [("noise", False), ("black", True), ("not finite", True)])
def test_images_for_which_torch_itself_is_imprecise_do_not_count(
    wrong: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = _one_black()
    answers = torch_logits(Wild(), PLAIN, pixels)
    answers[{"noise": 1, "black": 3, "not finite": 1}[wrong]] = np.nan if wrong == "not finite" else 0.5
    monkeypatch.setattr("edgetl.exporting.runner_logits", lambda model, pixels: answers)
    if refused:
        with pytest.raises(ExportError, match="differ from torch's"):
            compare(Path("unread"), Wild(), PLAIN, pixels)
    else:
        difference, tolerance = compare(Path("unread"), Wild(), PLAIN, pixels)
        assert difference <= tolerance < 0.01


class Bright(torch.nn.Module):
    """Right on every image, or with a tenth too much on all but a black one."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, images: Any) -> Any:
        mean = self.factor * images.mean((1, 2, 3))
        return torch.stack([1 + mean, 2 - mean], 1)


@pytest.mark.parametrize(("factor", "refused"), [(1.1, False), (1.0, True)])
def test_images_on_which_the_folded_network_is_imprecise_do_not_count_either(
    factor: float, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = _one_black()
    answers = torch_logits(Bright(), PLAIN, pixels)
    answers[1] = 0.5
    monkeypatch.setattr("edgetl.exporting.runner_logits", lambda model, pixels: answers)
    monkeypatch.setattr("edgetl.exporting.without_batch_norm", lambda module: Bright(factor))
    with pytest.raises(ExportError, match="differ from torch's") if refused else contextlib.nullcontext():
        compare(Path("unread"), Bright(), PLAIN, pixels)


def test_a_model_that_is_refused_leaves_the_run_as_it_was(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in exported.iterdir() if path.is_file()}

    def wrong(*_: Any) -> Any:
        proto = onnx.load(exported / "model.onnx")
        pool = next(node for node in proto.graph.node if node.op_type == "GlobalAveragePool")
        pool.op_type = "GlobalMaxPool"
        return proto

    monkeypatch.setattr("edgetl.exporting.export_module", wrong)
    with pytest.raises(ExportError, match="was not written"):
        export(ExportSettings(exported), Silent())
    assert {path.name: path.read_bytes() for path in exported.iterdir() if path.is_file()} == before


def test_photos_that_are_gone_are_a_remark_and_no_failure(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load(exported / "model.onnx")
    monkeypatch.setattr("edgetl.exporting.export_module", lambda *_: model)
    photos = Path(FinetuneResult.load(exported).data)
    photos.rename(tmp_path / "moved")
    recorder = Recorder()
    try:
        export(ExportSettings(exported), recorder)
    finally:
        (tmp_path / "moved").rename(photos)
    assert any("random images only" in remark for remark in recorder.remarks)


@pytest.mark.parametrize("arch", ["mobilenet_v3_small", "googlenet"])
def test_other_architectures_export_with_their_logits(arch: str, tmp_path: Path) -> None:
    from edgetl import backbones, heads

    torch.manual_seed(0)
    chosen = backbones.backbone(arch)
    head = heads.build(heads.parse("linear"), chosen.features, 4)
    module = torch.nn.Sequential(backbones.build(chosen), head)
    fixture.settle(module, 64)
    path = tmp_path / "model.onnx"
    preprocess = Preprocess(resize=72, crop=64)
    onnx.save(export_module(module, preprocess), path)
    difference, tolerance = compare(path, module, preprocess, _pixels(4, 64))
    assert difference <= tolerance


def _evaluated(run: Path, temperature: float) -> None:
    """Put an evaluation with this temperature into a run."""
    from edgetl.evaluation import Lineage, evaluate

    trained = FinetuneResult.load(run)
    lineage = Lineage(run=str(run), inputs=trained.inputs, parent_sha256=trained.sha256)
    value = evaluate(np.eye(3), [0, 1, 2], trained.classes, ["a", "b", "c"], split="val", lineage=lineage)
    value.model_copy(update={"temperature": temperature}).save(run)


def test_a_calibrated_model_divides_its_logits_and_nothing_else(exported: Path, tmp_path: Path) -> None:
    before = runs.exported(exported)
    session = ort.InferenceSession(str(exported / "model.onnx"), providers=["CPUExecutionProvider"])
    plain = onnx.load(exported / "model.onnx")
    pixels = _pixels(40, 64)
    logits = session.run(None, {"image": pixels})[0]
    run = tmp_path / "run"
    shutil.copytree(exported, run)
    _evaluated(run, 2.5)
    result = export(ExportSettings(run, calibrated=True), Silent())
    session = ort.InferenceSession(str(run / "model.onnx"), providers=["CPUExecutionProvider"])
    cooler = session.run(None, {"image": pixels})[0]
    np.testing.assert_allclose(2.5 * cooler, logits, atol=1e-4 * np.abs(logits).max())
    np.testing.assert_array_equal(cooler.argmax(1), logits.argmax(1))
    nodes = [node.op_type for node in onnx.load(run / "model.onnx").graph.node]
    assert nodes == [node.op_type for node in plain.graph.node], "no node is added"
    assert (result.temperature, before.temperature) == (2.5, 1.0)
    assert result.max_abs_diff <= result.tolerance
    assert metadata.read(run / "model.onnx").temperature == 2.5
    assert metadata.read(exported / "model.onnx").temperature == 1.0
    assert result.inputs != before.inputs, "a run that is asked for the plain model makes it again"
    assert runs.exported(run) == result


def test_a_temperature_that_did_not_reach_the_logits_is_refused(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _evaluated(exported, 2.5)
    before = (exported / "model.onnx").read_bytes()
    monkeypatch.setattr("edgetl.temperature.divided", lambda module, _: module)
    plain = onnx.load(exported / "model.onnx")
    monkeypatch.setattr("edgetl.exporting.export_module", lambda *_: plain)
    try:
        with pytest.raises(ExportError, match="differ from torch's"):
            export(ExportSettings(exported, calibrated=True), Silent())
    finally:
        (exported / "evaluation.json").unlink()
    assert (exported / "model.onnx").read_bytes() == before


def test_a_temperature_comes_from_the_evaluation_of_this_classifier(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no evaluation.json. Run `edgetl finetune` again"):
        export(ExportSettings(exported, calibrated=True), Silent())
    run = tmp_path / "run"
    shutil.copytree(exported, run)
    _evaluated(run, 2.5)
    trained = FinetuneResult.load(run)
    value = Evaluation.load(run).model_copy(update={"parent_sha256": "0" * 64})
    value.save(run)
    with pytest.raises(UsageError, match=r"belongs to another classifier"):
        export(ExportSettings(run, calibrated=True), Silent())
    assert runs.exported(run).parent_sha256 == trained.sha256, "the run keeps its model"


def test_every_head_can_be_divided_and_stays_as_it_was() -> None:
    from edgetl import heads
    from edgetl.temperature import divided

    torch.manual_seed(0)
    for text in ("linear", "mlp:16", "linear:dropout=0.2", "norm+mlp:16,8:dropout=0.2"):
        head = heads.build(heads.parse(text), 12, 5)
        module = torch.nn.Sequential(OrderedDict(backbone=torch.nn.Linear(7, 12), head=head)).eval()
        inputs = torch.randn(9, 7)
        before = module(inputs)
        network = divided(module, 0.3)
        assert not network.training
        torch.testing.assert_close(0.3 * network(inputs), before)
        assert torch.equal(module(inputs), before)
        assert list(network.state_dict()) == list(module.state_dict())


def test_other_images_are_another_input_of_the_stages_that_follow(exported: Path) -> None:
    from edgetl.quantization import QuantizeSettings
    from edgetl.quantization.stage import inputs as of_quantize

    trained, model = FinetuneResult.load(exported), runs.exported(exported)
    before = inputs(trained)
    for key in ("data_sha256", "inputs"):
        assert inputs(trained.model_copy(update={key: "0" * 64})) != before
    settings = QuantizeSettings(exported)
    assert of_quantize(settings, model.model_copy(update={"inputs": "0" * 64})) != of_quantize(settings, model)
