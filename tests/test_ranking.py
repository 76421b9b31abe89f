"""Ranking backbones: exact on engines whose clock is scripted, and once with real networks on small pictures."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rich.console import Console

from edgetl import targets
from edgetl.backbones import backbone
from edgetl.dataset import Dataset, ImageRef
from edgetl.environments.local import local_command
from edgetl.errors import DataError, EdgetlError, MeasureError, UsageError, WeightsError
from edgetl.measure.anchor import Anchored, Model
from edgetl.measure.statistics import Estimate, wilson
from edgetl.progress import Progress, Silent
from edgetl.ranking import RankResult, RankSettings, rank, stage
from edgetl.ranking.lineup import validated_images
from edgetl.ranking.pareto import contenders, front, recommended
from edgetl.ranking.values import Contestant, Tried
from edgetl.reporting import rank as report
from tests.cli.hostile import invoke
from tests.photos import Remarks, class_folders

if TYPE_CHECKING:
    from edgetl.training.heads.cross_validated import CrossValidated

MS = 1_000_000
IMAGES = 200
CHEAP, MIDDLE, DEAR = "mobilenet_v3_small", "shufflenet_v2_x1_0", "resnet18"
TARGET = """
name = "scripted"
description = "a script"
machine = {{ architecture = "{architecture}" }}
[[candidates]]
provider = "fake"
"""
# What a test says of a backbone: its accuracy and its latency in ms, or what happens when it is tried.
Script = Mapping[str, tuple[float, Mapping[str, Any]] | BaseException]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "photos", {"red": 6, "green": 6})


def target(folder: Path, architecture: str = "") -> str:
    """Write a target whose provider is the scripted one, by default for this machine."""
    here = targets.detect().machine.architecture
    path = folder / "scripted.toml"
    path.write_text(TARGET.format(architecture=architecture or here), encoding="utf-8")
    return str(path)


def judged(right: int) -> CrossValidated:
    """Return a cross-validation that had so many of IMAGES right."""
    from edgetl.training.heads.cross_validated import CrossValidated

    each, logits = np.arange(IMAGES), np.zeros((IMAGES, 2), np.float32)
    logits[right:, 1] = 1
    return CrossValidated(each, np.zeros(IMAGES, np.int64), each, logits)


def ms(latency: float, **keys: Any) -> Mapping[str, Any]:
    return {"latency_ns": [round(latency * MS)], **keys}


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], None]:
    """Make backbones as accurate and as fast as a script says."""

    def follow(script: Script) -> None:
        def validated(
            contestant: Contestant, dataset: Dataset, images: Sequence[ImageRef], seed: int, progress: Progress
        ) -> tuple[CrossValidated, Path]:
            progress.step("features", 1, 1)
            said = script[contestant.name]
            if isinstance(said, BaseException):
                raise said
            path = tmp_path / f"{contestant.name}.json"
            path.write_text(json.dumps(said[1]))
            return judged(round(said[0] * IMAGES)), path

        monkeypatch.setattr(stage, "_validated", validated)

    return follow


def ranked(
    photos: Path, script: Script, *, architecture: str = "", progress: Progress | None = None, budget: float = 3600.0
) -> RankResult:
    settings = RankSettings(
        data=photos,
        target=target(photos.parent, architecture),
        archs=tuple(reversed(script)),
        weights=("none",),
        time_budget_s=budget,
    )
    return rank(settings, progress or Silent())


def tried(name: str, accuracy: float, ratio: tuple[float, float, float], independent: float = 1000) -> Tried:
    value, low, high = ratio
    model = Model(name, Path(name), 8)
    contestant = Contestant(backbone(CHEAP), "none")
    return Tried(contestant, model, 1000, round(1000 * accuracy), independent, Estimate(value, low, high, 0.95))


def test_on_the_front_is_what_no_other_equals_or_beats_in_both() -> None:
    small, slow, worse = tried("small", 0.8, (1, 1, 1)), tried("slow", 0.9, (3, 3, 3)), tried("worse", 0.7, (2, 2, 2))
    equal, as_fast = tried("equal", 0.9, (4, 4, 4)), tried("as fast", 0.79, (1, 1, 1))
    assert front([slow, worse, equal, as_fast, small]) == [small, slow]
    twins = [tried("a", 0.8, (1, 1, 1)), tried("b", 0.8, (1, 1, 1))]
    assert front(twins) == twins, "neither beats the other"


def test_who_may_yet_be_on_the_front_races_again() -> None:
    quick, close = tried("quick", 0.9, (1, 0.9, 1.1)), tried("close", 0.85, (1.1, 1.0, 1.2))
    out, better = tried("out", 0.9, (1.4, 1.3, 1.5)), tried("better", 0.95, (2, 1.9, 2.1))
    assert contenders([better, out, close, quick]) == [quick, close, better]


def test_recommended_is_the_fastest_that_is_not_provably_worse() -> None:
    poor, good, best = tried("poor", 0.80, (1, 1, 1)), tried("good", 0.94, (2, 2, 2)), tried("best", 0.95, (9, 9, 9))
    assert recommended([best, poor, good]) is good
    assert recommended([best, poor]) is best


def test_near_identical_images_say_no_more_than_one_of_them() -> None:
    alone, frames = tried("alone", 0.9, (1, 1, 1)), tried("frames", 0.9, (1, 1, 1), independent=20)
    assert alone.accuracy == frames.accuracy
    assert alone.interval == wilson(900, 1000)
    assert frames.interval == wilson(18, 20)
    # What a thousand images would prove to be worse, twenty do not.
    best = tried("best", 0.95, (9, 9, 9))
    assert recommended([best, alone]) is best
    assert recommended([best, frames]) is frames


def scenes(count: int, frames: int) -> Dataset:
    """Return a data set of scenes whose frames are near-identical, of two classes in turn."""
    images = tuple(
        ImageRef(path=f"{index}", label="ab"[index // frames % 2], sha256=f"{index:064x}", alike=f"{index // frames}")
        for index in range(count * frames)
    )
    return Dataset(
        root="/",
        source="class folders",
        classes=("a", "b"),
        train=images,
        val=(),
        test=(),
        skipped=(),
        leaks=(),
        sha256="",
    )


def test_images_for_cross_validation_are_counted_by_scenes() -> None:
    pytest.importorskip("torch")
    data, said = scenes(10, 6), Remarks()
    images = validated_images(data, 0)
    assert len(images) == 60
    stage._report_alike(images, said)
    assert "10 groups" in said.remarks[0]
    stage._report_alike(images[::6], said)
    assert len(said.remarks) == 1
    one = tuple(image.model_copy(update={"alike": "a"} if image.label == "a" else {}) for image in images)
    with pytest.raises(DataError, match="near-identical ones counted as one; 'a' has 1"):
        validated_images(data.model_copy(update={"train": one}), 0)
    # What is judged by chooses nothing, either.
    assert validated_images(data.model_copy(update={"val": tuple(images[:6])}), 0) == images[6:]


def test_frames_of_a_scene_are_held_out_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is by lot, and not to be learnt, looks learnt where frames of a scene are on both sides."""
    pytest.importorskip("torch")
    from edgetl import weights
    from edgetl.training.features import frozen

    rng = np.random.default_rng(0)
    data = scenes(30, 10)
    features = rng.normal(0, 1, (30, 60)).repeat(10, 0) + rng.normal(0, 0.05, (300, 60))
    monkeypatch.setattr(frozen, "extract", lambda *_: features.astype(np.float32))
    monkeypatch.setattr(stage, "_exported", lambda *_: Path("none"))
    loaded = weights.Weights("none", "some", {})
    monkeypatch.setattr(weights, "load", lambda *_, **__: loaded)
    unseen, _ = stage._validated(Contestant(backbone(CHEAP), "none"), data, data.train, 0, Silent())
    assert unseen.images == 300
    assert unseen.accuracy < 0.7
    assert unseen.independent == pytest.approx(30)


def test_models_that_never_ran_together_compare_through_the_anchor(tmp_path: Path) -> None:
    models = {}
    for name, latency in {"anchor": 4, "fast": 2, "slow": 12}.items():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(ms(latency)))
        models[name] = Model(name, path, 8)
    with Anchored(local_command(), targets.load(target(tmp_path))) as anchored:
        ratios = {name: anchored.race([model], 0.5)[name] for name, model in models.items()}
        together = anchored.race(list(models.values()), 0.5)
        assert anchored.p50_ns.value == 4 * MS
        assert set(anchored.machine) >= {"cpu", "engines"}
    for found in (ratios, together):
        assert {name: round(each.value, 6) for name, each in found.items()} == {"anchor": 1, "fast": 0.5, "slow": 3}
        assert all(each.low <= each.value <= each.high for each in found.values())


def test_rows_are_what_was_measured_fastest_first(photos: Path, scripted: Callable[[Script], None]) -> None:
    script: Script = {CHEAP: (0.80, ms(6)), MIDDLE: (0.95, ms(4)), DEAR: (0.96, ms(20))}
    scripted(script)
    result = ranked(photos, script)
    assert [(row.arch, row.pareto) for row in result.rows] == [(MIDDLE, True), (CHEAP, False), (DEAR, True)]
    assert [round(row.latency_p50_ms or 0, 6) for row in result.rows] == [4, 6, 20]
    assert result.recommended == MIDDLE
    row = result.rows[0]
    assert (row.accuracy, row.images) == (0.95, IMAGES)
    assert row.accuracy_ci and row.latency_ci_ms
    assert 0.90 < row.accuracy_ci[0] < 0.95 < row.accuracy_ci[1] < 0.98
    assert row.latency_ci_ms[0] <= 4.0001 and row.latency_ci_ms[1] >= 3.9999
    assert (row.params, row.macs, row.weights) == (backbone(MIDDLE).params, backbone(MIDDLE).macs, "none")
    assert (result.provider, result.precision, result.is_target) == ("fake", "fp32", True)
    assert result.target == target(photos.parent)
    assert not result.interrupted and result.machine["cpu"]


def test_a_backbone_that_cannot_be_had_is_a_row_that_says_why(photos: Path, scripted: Callable[[Script], None]) -> None:
    script: Script = {
        CHEAP: WeightsError("Cannot download https://a.b/c.pth (no route to host). Three ways remain: x. Or y."),
        MIDDLE: (0.9, ms(4)),
        DEAR: (0.9, ms(4, fail={"at": "load", "how": "error", "message": "Out of memory."})),
    }
    scripted(script)
    result = ranked(photos, script)
    assert [row.status for row in result.rows] == ["measured", "unavailable", "unavailable"]
    assert result.rows[1].reason == "Cannot download https://a.b/c.pth (no route to host)."
    assert result.rows[1].accuracy is result.rows[1].latency_p50_ms is None
    assert "Out of memory" in result.rows[2].reason


def test_nothing_available_says_what_to_do(photos: Path, scripted: Callable[[Script], None]) -> None:
    script: Script = {CHEAP: WeightsError("No network. Do this."), DEAR: WeightsError("No network. Do this.")}
    scripted(script)
    with pytest.raises(MeasureError, match=r"No network\. .*--weights ARCH=FILE"):
        ranked(photos, script)


def test_a_provider_that_is_not_here_ends_it_at_once(photos: Path, scripted: Callable[[Script], None]) -> None:
    gone = ms(1, fail={"at": "load", "how": "unavailable", "message": "There is no GPU. Buy one."})
    script: Script = {CHEAP: (0.9, gone), DEAR: AssertionError("tried in vain")}
    scripted(script)
    with pytest.raises(MeasureError, match=r"There is no GPU\. Choose a --target"):
        ranked(photos, script)


def test_the_time_budget_leaves_the_dear_ones_out_but_never_all(
    photos: Path, scripted: Callable[[Script], None]
) -> None:
    script: Script = {CHEAP: (0.8, ms(6)), MIDDLE: (0.9, ms(4)), DEAR: (0.9, ms(4))}
    scripted(script)
    result = ranked(photos, script, budget=0.001)
    assert [(row.arch, row.status) for row in result.rows] == [
        (CHEAP, "measured"),
        (MIDDLE, "not tried"),
        (DEAR, "not tried"),
    ]
    assert "time budget" in result.rows[1].reason


def test_an_interruption_returns_what_was_measured(photos: Path, scripted: Callable[[Script], None]) -> None:
    script: Script = {CHEAP: (0.8, ms(6)), MIDDLE: (0.9, ms(4)), DEAR: KeyboardInterrupt()}
    scripted(script)
    result = ranked(photos, script)
    assert result.interrupted
    assert [(row.arch, row.status) for row in result.rows] == [
        (MIDDLE, "measured"),
        (CHEAP, "measured"),
        (DEAR, "not tried"),
    ]
    assert "Interrupted" in result.rows[2].reason
    script = {CHEAP: KeyboardInterrupt(), DEAR: (0.9, ms(6))}
    scripted(script)
    with pytest.raises(KeyboardInterrupt):
        ranked(photos, script)


def test_another_target_than_this_machine_is_said(photos: Path, scripted: Callable[[Script], None]) -> None:
    script: Script = {CHEAP: (0.8, ms(6))}
    scripted(script)
    here = targets.detect().machine.architecture
    said = Remarks()
    result = ranked(photos, script, architecture="arm64" if here == "x86_64" else "x86_64", progress=said)
    assert not result.is_target
    assert any("This machine is no" in remark and result.machine["cpu"] in remark for remark in said.remarks)


@pytest.mark.parametrize(
    ("weights", "archs", "sentence"),
    [
        (("some.pth",), (), r"Write ARCH=FILE, for example mobilenet_v2=some\.pth"),
        (("resnet81=some.pth",), (), "Did you mean 'resnet18'"),
        (("resnet18=missing.pth",), (), "no weights 'missing.pth'"),
        (("imagenet", "none"), (), "Name one"),
        (("resnet18=missing.pth",), (CHEAP,), "--arch leaves out"),
        ((), ("resnet81",), "Did you mean 'resnet18'"),
    ],
)
def test_names_that_say_nothing_are_refused_before_any_work(
    weights: tuple[str, ...], archs: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=sentence):
        rank(RankSettings(data=tmp_path / "not looked at", archs=archs, weights=weights), Silent())


def test_a_class_of_one_picture_cannot_be_cross_validated(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    photos = class_folders(tmp_path / "photos", {"red": 6, "blue": 2})
    with pytest.raises(DataError, match="'blue' has 1"):
        rank(RankSettings(data=photos, archs=(CHEAP,), weights=("none",)), Silent())


def test_it_fits_a_narrow_terminal_and_says_how_to_go_on(photos: Path, scripted: Callable[[Script], None]) -> None:
    script: Script = {
        CHEAP: (0.80, ms(6)),
        MIDDLE: (0.95, ms(4)),
        DEAR: (0.96, ms(20)),
        "efficientnet_b0": WeightsError("No network. Do this."),
    }
    scripted(script)
    result = ranked(photos, script)
    console = Console(file=io.StringIO(), width=80, highlight=False, color_system=None)
    console.print(report.rank(result, "my photos"))
    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    lines = drawn.splitlines()
    assert max(map(len, lines)) <= 80
    (middle,) = [line for line in lines if line.startswith(MIDDLE)]
    assert "95.0" in middle and "4.00" in middle and "recommended" in middle
    assert [line.split()[-1] for line in lines if line.startswith(DEAR)] == ["front"]
    assert not any("front" in line for line in lines if line.startswith(CHEAP))
    assert "unavailable: efficientnet_b0. No network." in drawn
    assert f"edgetl finetune --data 'my photos' --arch {MIDDLE} --weights none" in " ".join(drawn.split())


@pytest.mark.training
@pytest.mark.engine
def test_real_networks_are_ranked_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SqueezeNet has random weights, the other one's cannot be downloaded."""
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")

    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(stage, "ALONE_S", 0.2)
    monkeypatch.setattr(stage, "FINAL_S", 0.2)
    folder = class_folders(tmp_path / "photos", {"red": 8, "green": 8, "blue": 8})
    said = invoke("rank", "--data", str(folder), "--arch", CHEAP, "--json")
    assert said.code == 3
    assert "no network in tests" in said.json["error"]["message"]
    both = ("--arch", CHEAP, "--arch", "squeezenet1_1", "--weights", "none", "--time-budget", "1h")
    said = invoke("rank", "--data", str(folder), *both, "--json")
    assert said.code == 0, said.err
    result = RankResult.model_validate(said.json)
    assert {row.arch: row.status for row in result.rows} == {CHEAP: "measured", "squeezenet1_1": "measured"}
    assert all(row.accuracy and row.accuracy > 0.6 and row.images == 18 for row in result.rows)
    assert all(row.latency_p50_ms and row.latency_p50_ms > 0.1 for row in result.rows)
    assert sum(row.pareto for row in result.rows) >= 1
    assert result.machine["engines"]


def test_ctrl_c_prints_what_was_measured_and_exits_130(photos: Path, scripted: Callable[[Script], None]) -> None:
    script: Script = {CHEAP: (0.8, ms(6)), DEAR: KeyboardInterrupt()}
    scripted(script)
    arguments = ("--data", str(photos), "--target", target(photos.parent), "--arch", CHEAP, "--arch", DEAR)
    said = invoke("rank", *arguments, "--weights", "none", "--time-budget", "1h", "--json")
    assert said.code == 130
    assert [row["status"] for row in said.json["rows"]] == ["measured", "not tried"]


def test_errors_have_the_exit_codes_of_every_command(photos: Path) -> None:
    assert MeasureError.exit_code == 3 and issubclass(MeasureError, EdgetlError)
    assert invoke("rank", "--data", str(photos), "--weights", "x.pth").code == 2
