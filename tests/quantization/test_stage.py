"""The stage on real engines: all candidates of a target, on disjoint images, and usable at every moment."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from edgetl import recipes, runs, targets
from edgetl.artifacts import QuantizeResult
from edgetl.dataset import Dataset, judging_images
from edgetl.environments import Made
from edgetl.errors import ConfigError, RunError
from edgetl.files import sha256_file
from edgetl.graph import metadata
from edgetl.progress import Silent
from edgetl.quantization import QuantizeSettings, quantize
from edgetl.quantization import make as making
from edgetl.quantization import stage as stages
from edgetl.quantization.calibration import images as calibration
from edgetl.quantization.make import Workshop
from edgetl.quantization.search import field as fields
from edgetl.quantization.search.contest import Contest
from tests import trained_run as fixture

pytestmark = [pytest.mark.training, pytest.mark.engine]

TARGET = """
name = "board"
description = "a test board"
threads = 1
[machine]
architecture = "arm64"
model = "No Such Board"
[[candidates]]
provider = "cpu"
[[candidates]]
provider = "cpu"
precision = "int8"
recipe = "u8s8-minmax"
[[candidates]]
provider = "cuda"
precision = "fp16"
recipe = "fp16"
"""


class Recorder(Silent):
    """Progress that remembers remarks."""

    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


@pytest.fixture(scope="module", autouse=True)
def _short_races() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fields, "MAX_RACE_S", 0.5)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an exported model."""
    return fixture.exported_run(tmp_path_factory.mktemp("quantize"))


def _settings(folder: Path, scratch: Path) -> QuantizeSettings:
    target = scratch / "board.toml"
    target.write_text(TARGET)
    return QuantizeSettings(folder, target=str(target), max_drop=0.5, time_budget_s=600.0)


@pytest.fixture(scope="module")
def result(run: Path, tmp_path_factory: pytest.TempPathFactory) -> QuantizeResult:
    """What the stage gives, left in the run."""
    return quantize(_settings(run, tmp_path_factory.mktemp("target")), Silent())


@pytest.fixture
def settings(run: Path, tmp_path: Path) -> QuantizeSettings:
    """Settings for a copy of the run, with which a test may do as it likes."""
    shutil.copytree(run, tmp_path / "run")
    return _settings(tmp_path / "run", tmp_path)


def test_every_candidate_has_a_row_with_a_status_and_a_reason(result: QuantizeResult) -> None:
    # What was derived from them by leaving parts in float comes after those that the target lists.
    assert [each.name for each in result.candidates][:3] == ["cpu-fp32", "cpu-int8-u8s8-minmax", "cuda-fp16"]
    assert len({each.name for each in result.candidates}) == len(result.candidates)
    assert all(each.reason.endswith(".") for each in result.candidates)
    assert result.candidates[0].status == "baseline"
    int8 = result.candidate("cpu-int8-u8s8-minmax")
    assert int8.accuracy is not None and int8.agreement is not None
    assert int8.images is not None and 0 < int8.images <= result.images == result.candidates[0].images
    assert int8.size_bytes < 0.4 * result.candidates[0].size_bytes
    assert result.candidate(result.chosen).status in ("baseline", "chosen")


def test_a_provider_that_cannot_run_here_is_a_row_that_says_why(result: QuantizeResult) -> None:
    cuda = result.candidate("cuda-fp16")
    assert cuda.status == "unavailable"
    assert "NVIDIA" in cuda.reason or "CUDA" in cuda.reason
    assert (cuda.accuracy, cuda.latency_p50_ms, cuda.speedup) == (None, None, None)


def test_candidate_files_name_their_parent_and_recipe(result: QuantizeResult) -> None:
    folder = Path(result.run)
    facts = metadata.read(folder / result.candidate("cpu-int8-u8s8-minmax").path)
    assert facts.parent_sha256 == runs.exported(folder).sha256 == result.parent_sha256
    assert facts.recipe == recipes.load("u8s8-minmax").model_dump(mode="json")
    assert facts.classes == metadata.read(folder / "model.onnx").classes
    assert runs.quantized(folder) == result


def test_another_machine_than_the_target_is_said_so(settings: QuantizeSettings) -> None:
    recorder = Recorder()
    quantize(settings, recorder)
    assert any(
        "not what target" in remark and "board.toml" in remark and "latency" in remark for remark in recorder.remarks
    )


def test_raw_timings_are_stored_beside_the_result(result: QuantizeResult) -> None:
    stored = json.loads((Path(result.run) / result.timings).read_text())
    assert stored["unit"] == "ns"
    alone = {name: pair for name, pair in stored["pairs"].items() if not name.startswith("final")}
    assert alone
    for name, pair in alone.items():
        assert result.candidate(name).speedup is not None
        assert all(isinstance(each, int) for block in pair[name] for each in block)


def test_calibration_selection_and_judging_share_no_image(
    settings: QuantizeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[Path]] = {"calibration": set(), "selection": set()}
    real_iter, real_spool = calibration.iter_pixels, stages.spooled

    def iter_pixels(paths: Any, *rest: Any, **more: Any) -> Any:
        seen["calibration"] |= set(paths)
        return real_iter(paths, *rest, **more)

    def spooled(paths: Any, *rest: Any) -> Any:
        seen["selection"] |= set(paths)
        return real_spool(paths, *rest)

    monkeypatch.setattr(calibration, "iter_pixels", iter_pixels)
    monkeypatch.setattr(stages, "spooled", spooled)
    quantize(settings, Silent())
    dataset = Dataset.load(settings.run)
    judging = set(dataset.paths(judging_images(dataset)))
    assert seen["calibration"] and seen["selection"] and judging
    assert seen["calibration"].isdisjoint(seen["selection"])
    assert judging.isdisjoint(seen["calibration"] | seen["selection"])


def _interrupt_at_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Contest.try_out

    def try_out(self: Contest, trial: Any, *rest: Any) -> Any:
        if trial.candidate.provider == "cuda":
            raise KeyboardInterrupt
        return real(self, trial, *rest)

    monkeypatch.setattr(Contest, "try_out", try_out)


def test_a_killed_search_leaves_a_usable_choice(settings: QuantizeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    (settings.run / QuantizeResult.FILE).unlink(missing_ok=True)
    _interrupt_at_cuda(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        quantize(settings, Silent())
    left = runs.quantized(settings.run)
    assert [each.name for each in left.candidates] == ["cpu-fp32", "cpu-int8-u8s8-minmax"]
    chosen = left.candidate(left.chosen)
    assert sha256_file(settings.run / chosen.path) == chosen.sha256
    # Unfinished, so the next `edgetl run` does not take it for the result of these inputs.
    assert left.inputs == ""


def test_a_search_that_is_repeated_and_stopped_keeps_what_the_first_found(
    settings: QuantizeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = quantize(settings, Silent())
    raw = (settings.run / found.timings).read_text()
    _interrupt_at_cuda(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        quantize(settings, Silent())
    assert runs.quantized(settings.run) == found
    assert (settings.run / found.timings).read_text() == raw


def test_a_longer_search_that_is_stopped_keeps_the_choice_of_the_shorter_until_it_was_tried_again(
    settings: QuantizeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_at = int8 = "cpu-int8-u8s8-minmax"
    short = quantize(settings, Silent()).model_copy(update={"cut_short_s": 1.0, "seconds": 1.0, "chosen": int8})
    short.save(settings.run)
    tried = Contest.try_out

    def interrupted(contest: Contest, trial: Any, *given: Any) -> Any:
        if trial.name == stopped_at:
            raise KeyboardInterrupt
        return tried(contest, trial, *given)

    monkeypatch.setattr(Contest, "try_out", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quantize(settings, Silent())
    assert runs.quantized(settings.run) == short
    stopped_at = "cuda-fp16"
    with pytest.raises(KeyboardInterrupt):
        quantize(settings, Silent())
    newer = runs.quantized(settings.run)
    assert newer != short and newer.candidate(int8).latency_p50_ms is not None


def test_a_search_without_time_lists_what_it_did_not_reach(settings: QuantizeSettings) -> None:
    short = QuantizeSettings(settings.run, target=settings.target, time_budget_s=0.001)
    result = quantize(short, Silent())
    assert result.chosen == "cpu-fp32"
    assert "time was over" in result.candidate("cpu-int8-u8s8-minmax").reason


def test_a_recipe_that_this_model_defeats_does_not_end_the_search(
    settings: QuantizeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("quantization parameters are not specified for param x")

    shutil.rmtree(settings.run / "candidates", ignore_errors=True)
    monkeypatch.setattr("edgetl.quantization.engines.static.quantize", fail)
    result = quantize(settings, Silent())
    int8 = result.candidate("cpu-int8-u8s8-minmax")
    assert (int8.status, int8.path) == ("rejected", "")
    assert "not specified" in int8.reason
    assert len(result.candidates) == 3


def test_an_engine_that_is_not_installed_makes_its_recipes_unavailable(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgetl.quantization.make.ENGINES", {"onnxruntime": ("edgetl.no_such_engine", "quantize")})
    images = calibration.Calibration(Dataset.load(run), fixture.PREPROCESS, 4, 0)
    made = Workshop(run / "model.onnx", tmp_path, images).make(recipes.load("u8s8-minmax"))
    assert getattr(made, "status", None) == "unavailable"


def test_two_candidates_of_one_recipe_share_its_file(run: Path, tmp_path: Path) -> None:
    images = calibration.Calibration(Dataset.load(run), fixture.PREPROCESS, 4, 0)
    workshop = Workshop(run / "model.onnx", tmp_path / "candidates", images)
    first = workshop.make(recipes.load("u8s8-minmax"))
    assert isinstance(first, Path)
    written = first.stat().st_mtime_ns
    assert workshop.make(recipes.load("u8s8-minmax")) == first
    assert first.stat().st_mtime_ns == written


def test_a_search_that_was_out_of_time_is_kept_only_where_no_more_is_given(settings: QuantizeSettings) -> None:
    short = replace(settings, time_budget_s=0.001)
    assert quantize(short, Silent()).cut_short_s == 0.001
    assert stages.kept(short).chosen == "cpu-fp32"
    with pytest.raises(RunError):
        stages.kept(settings)
    # One that was through holds however much time is given.
    assert quantize(settings, Silent()).cut_short_s is None
    assert stages.kept(short) == stages.kept(settings) == stages.kept(replace(settings, time_budget_s=1e6))


def test_a_search_with_other_engines_is_another_one(
    settings: QuantizeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = runs.exported(settings.run)
    asked = stages.inputs(settings, exported)
    assert stages.inputs(settings, exported) == asked
    there = Made("cuda", settings.run, "3.11", {"onnxruntime-gpu": "1.31"})
    monkeypatch.setattr(stages, "made", lambda name: there if name == "cuda" else None)
    assert stages.inputs(settings, exported) != asked


def test_a_tight_budget_is_offered_images_enough_to_be_proven(settings: QuantizeSettings) -> None:
    offered = [stages._offered(stages._target(replace(settings, max_drop=drop))) for drop in (0.02, 0.001, 0.0)]
    # A normal quantile squared over the budget: without any image lost it takes 2,703 to prove a tenth of a point.
    assert offered == [2000, pytest.approx(4 * 2703, rel=1e-3), 2000]


def test_a_network_whose_images_all_choose_is_not_trained_with_none(run: Path) -> None:
    dataset = Dataset.load(run)
    assert stages._trainable(run, dataset, (), 0) is not None
    assert stages._trainable(run, dataset, dataset.train, 0) is None


@pytest.mark.parametrize("recipe", ["u8s8-minmax", "u8s8-equalized", "nncf-onnx", "nncf-openvino"])
def test_making_a_file_ends_with_the_time_and_can_be_begun_again(
    recipe: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if recipe.startswith("nncf"):
        pytest.importorskip("nncf")
    begun = iter(range(100))
    monkeypatch.setattr(calibration, "time", SimpleNamespace(monotonic=lambda: next(begun)))
    monkeypatch.setattr(making, "time", SimpleNamespace(monotonic=lambda: next(begun)))
    images = calibration.Calibration(Dataset.load(run), fixture.PREPROCESS, 8, 0)
    workshop = Workshop(run / "model.onnx", tmp_path / "candidates", images)
    # The first of its batches comes in time.
    with pytest.raises(TimeoutError):
        workshop.make(recipes.load(recipe), until=1)
    assert next(begun) >= 2
    assert not workshop.has(recipes.load(recipe))
    assert isinstance(workshop.make(recipes.load(recipe)), Path)


def test_the_same_images_and_recipe_give_the_same_bytes(run: Path, tmp_path: Path) -> None:
    images = calibration.Calibration(Dataset.load(run), fixture.PREPROCESS, 8, 0)
    made = [
        Workshop(run / "model.onnx", tmp_path / name, images).make(recipes.load("u8s8-percentile")) for name in "ab"
    ]
    assert isinstance(made[0], Path) and isinstance(made[1], Path)
    assert made[0].read_bytes() == made[1].read_bytes()


def test_the_budget_of_the_command_line_replaces_the_target_s(settings: QuantizeSettings) -> None:
    assert stages._target(settings).budgets.top1_drop == 0.5
    assert targets.load(settings.target).budgets.top1_drop == 0.02


def test_an_unknown_target_is_refused_before_any_work(run: Path) -> None:
    with pytest.raises(ConfigError, match="raspberry-pi-5"):
        quantize(QuantizeSettings(run, target="raspbery-pi-5"), Silent())
