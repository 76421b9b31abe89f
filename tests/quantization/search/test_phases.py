"""The phases of a search, with a contest whose outcomes are scripted: what is tried, in what order, when it ends."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx
import pytest

pytest.importorskip("onnxruntime")

from edgetl import recipes
from edgetl.measure.accuracy import PairedAccuracy, paired
from edgetl.measure.statistics import Estimate
from edgetl.progress import Silent
from edgetl.quantization.engines import static
from edgetl.quantization.pairs import quantized_nodes
from edgetl.quantization.search import mend, mix, retrain
from edgetl.quantization.search.choose import Choice, Rules, choose, is_surely_faster
from edgetl.quantization.search.doubt import settle_doubts
from edgetl.quantization.search.field import Clock, Field
from edgetl.quantization.search.final import final
from edgetl.quantization.search.listed import try_listed
from edgetl.quantization.search.rest import judge_rest
from edgetl.quantization.search.standing import standing
from edgetl.quantization.search.trial import Trial
from edgetl.quantization.search.tune import tune
from edgetl.quantization.setback import Setback
from edgetl.recipes import Recipe
from edgetl.targets import Budgets, TargetCandidate
from tests.quantization.small import images, network

pytestmark = pytest.mark.engine

IMAGES = 500
RULES = Rules(Budgets(top1_drop=0.02))
BASELINE = TargetCandidate(provider="cpu")
INT8 = TargetCandidate(provider="cpu", precision="int8", recipe="u8s8-minmax")
RECIPE = recipes.load("u8s8-minmax")
FP32 = Path("model.onnx")

Outcome = Callable[[Trial, onnx.ModelProto | None], tuple[int, float]]


def accuracy(lost: int, images: int = IMAGES) -> PairedAccuracy:
    truth = [0] * images
    return paired(truth, truth, [1] * lost + truth[lost:])


@dataclass
class Workshop:
    """Keeps what is put into it; the recipe's own file is a small int8 network."""

    images: Any = None
    files: dict[str, onnx.ModelProto] = field(default_factory=dict)
    refusals: dict[str, Setback] = field(default_factory=dict)
    ready: float = 0.0
    ends: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.images = self
        self.model = network()
        self.files[RECIPE.name] = static.quantize(self.model, RECIPE, lambda: self.batches(16))

    def batches(self, count: int) -> Any:
        return iter([images(count, 2)])

    def make(self, recipe: Recipe, until: float = math.inf) -> Path:
        self.ends.append(until)
        if until < self.ready:
            raise TimeoutError
        return Path(f"{recipe.name}.onnx")

    def has(self, recipe: Recipe) -> bool:
        return recipe.name in self.files

    def refusal(self, recipe: Recipe) -> Setback | None:
        return self.refusals.get(recipe.name)

    def can_be_taken_apart(self, recipe: Recipe) -> bool:
        return recipe.engine == "onnxruntime"

    def taken_apart(self, recipe: Recipe) -> tuple[onnx.ModelProto, onnx.ModelProto]:
        return self.files[recipe.name], self.model

    def put(self, recipe: Recipe, quantized: onnx.ModelProto) -> Path:
        self.files[recipe.name] = quantized
        return self.make(recipe)


@dataclass
class Ground:
    """The part of a contest's ground that phases look at."""

    rules: Rules = RULES
    images: int = field(default_factory=lambda: IMAGES)

    @property
    def pixels(self) -> range:
        return range(self.images)


class Contest:
    """Answers by ``outcome``: lost images and latency ratio of a trial and its file. Remembers what was asked."""

    def __init__(self, workshop: Workshop, outcome: Outcome) -> None:
        self._workshop, self._outcome = workshop, outcome
        self.ground = Ground()
        self.machine: dict[str, object] = {}
        self.baseline = Trial(BASELINE, FP32, accuracy=accuracy(0), same_logits=True)
        self.judged: list[str] = []
        self.raced: list[list[str]] = []
        self.spare_images = 0
        self.closed: Setback | None = None

    def extend(self, count: int) -> None:
        self.ground.images += count
        self.spare_images -= count

    def judge(self, trial: Trial) -> Trial:
        self.judged.append(trial.name)
        return replace(trial, accuracy=accuracy(self._of(trial)[0], self.ground.images))

    def try_out(self, trial: Trial, seconds: float, best: float = 1.0) -> Trial:
        assert seconds > 0
        if trial.setback:
            return trial
        timed = self._timed(trial)
        return timed if timed.latency is not None and timed.latency.low > best else self.judge(timed)

    def race(self, name: str, trials: Sequence[Trial], seconds: float) -> list[Trial]:
        assert name and seconds > 0
        self.raced.append([trial.name for trial in trials])
        return [self._timed(trial) for trial in trials]

    def _timed(self, trial: Trial) -> Trial:
        ratio = self._of(trial)[1]
        return replace(trial, latency=Estimate(ratio, 0.99 * ratio, 1.01 * ratio, 0.95))

    def _of(self, trial: Trial) -> tuple[int, float]:
        file = self._workshop.files.get(trial.recipe.name) if trial.recipe else None
        return self._outcome(trial, file)


def searched(outcome: Outcome, seconds: float = 1000.0) -> tuple[Field, Contest]:
    workshop = Workshop()
    contest = Contest(workshop, outcome)
    state: Any = Field(contest, workshop, Clock(time.monotonic() + seconds), Silent(), lambda trials: None)  # type: ignore[arg-type]
    return state, contest


def first(state: Field) -> Trial:
    return state.add(state.contest.try_out(Trial(INT8, state.workshop.make(RECIPE), RECIPE), 1.0))


def choices(state: Field) -> dict[str, Choice]:
    return choose(state.contest.baseline, state.trials, state.rules)


def in_int8(file: onnx.ModelProto | None) -> int:
    return 0 if file is None else sum("conv" in name or "gemm" in name for name in quantized_nodes(file))


def islands(_: Trial, file: onnx.ModelProto | None) -> tuple[int, float]:
    """The first block is faster in int8, the others slower: int8 as a whole is no faster than float."""
    quantized = set(quantized_nodes(file)) if file is not None else set()
    gains = {"conv_1": -0.3, "conv_2": +0.3, "gemm": +0.1}
    return 0, 1.0 + sum(gain for name, gain in gains.items() if name in quantized)


def test_what_loses_too_much_gets_as_few_float_parts_as_will_do() -> None:
    # Each part in int8 loses 6 of 500 images: with two of three it is 12, with one 6, and 10 are allowed as seen.
    state, contest = searched(lambda trial, file: (6 * in_int8(file), 0.4 + 0.1 * (3 - in_int8(file))))
    assert first(state).accuracy == accuracy(18)
    mend.mend(state)
    mended = [trial for trial in state.trials if "float" in trial.name]
    kept = [trial for trial in mended if RULES.admit(trial)]
    assert not kept, "two images lost of 500 prove two per cent, six do not"
    state, contest = searched(lambda trial, file: (10 * (in_int8(file) == 3) + in_int8(file), 0.4))
    first(state)
    mend.mend(state)
    kept = [trial for trial in state.trials if RULES.admit(trial)]
    assert [trial.name for trial in kept] == ["cpu-int8-u8s8-minmax-float1"]
    assert kept[0].latency is not None
    assert kept[0].recipe is not None and kept[0].recipe.exclude_nodes
    assert contest.judged.count("cpu-int8-u8s8-minmax-float1") == 1


def test_what_was_lost_at_first_sight_is_mended_all_the_same() -> None:
    """A hopeless candidate is shown a few images only, which by themselves could prove nothing."""
    state, _ = searched(lambda _, file: (0 if in_int8(file) < 3 else 50, 0.4))
    trial = first(state)
    few = [0] * 64
    state.add(replace(trial, accuracy=paired(few, few, [1] * 20 + few[20:])))
    mend.mend(state)
    assert [each.name for each in state.trials if RULES.admit(each)] == ["cpu-int8-u8s8-minmax-float1"]


def test_what_was_mended_is_timed_also_where_judging_it_took_all_the_time() -> None:
    state, contest = searched(lambda _, file: (0 if in_int8(file) < 3 else 50, 0.4))
    first(state)
    judge = contest.judge

    def slow_judge(trial: Trial) -> Trial:
        state.clock = Clock(time.monotonic() - 5)
        return judge(trial)

    contest.judge = slow_judge  # type: ignore[method-assign]
    mend.mend(state)
    (mended,) = (each for each in state.trials if RULES.admit(each))
    assert "float" in mended.name and mended.ratio == pytest.approx(0.4)


def test_of_what_keeps_its_accuracy_with_more_parts_in_float_than_needed_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mend, "MOST_FLOAT", 1.0)
    state, _ = searched(lambda _, file: (0 if in_int8(file) < 3 else 50, 0.4))
    first(state)
    mend.mend(state)
    statuses = {name: (each.status, each.reason) for name, each in choices(state).items()}
    assert statuses["cpu-int8-u8s8-minmax-float1"][0] == "chosen"
    status, reason = statuses["cpu-int8-u8s8-minmax-float3"]
    assert status == "skipped" and "float1 has fewer parts in float" in reason


@pytest.mark.parametrize(("lost", "found"), [(3, "kept"), (5, "unproven")])
def test_what_would_be_wrong_on_the_target_is_neither_mended_nor_judged_by_more_images_nor_in_the_final_race(
    lost: int, found: str
) -> None:
    state, contest = searched(lambda *_: (lost, 0.4))
    contest.spare_images = 500
    state.add(replace(first(state), setback=Setback("rejected", "It would be wrong there.")))
    assert standing(state.trials[0], RULES.budgets) == found
    asked = len(contest.judged)
    settle_doubts(state)
    mend.mend(state)
    final(state)
    assert (len(contest.judged), contest.raced, len(state.trials)) == (asked, [], 1)
    assert state.best() == 1.0


def test_a_mix_that_does_not_load_is_left_out_of_what_teaches() -> None:
    state, contest = searched(islands)
    first(state)
    whole = contest.race
    contest.race = lambda name, trials, seconds: [  # type: ignore[method-assign]
        trial for trial in whole(name, trials, seconds) if not trial.name.endswith("mix010")
    ]
    mix.mix(state)
    # From what is left the best mix is found all the same.
    assert min(state.trials, key=lambda trial: trial.ratio).name == "cpu-int8-u8s8-minmax-mix100"


def test_a_small_board_is_not_filled_with_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "stat", lambda *_: type("Stat", (), {"st_size": 10_000_000})())
    state, contest = searched(lambda *_: (0, 1.0))
    contest.machine["memory_bytes"] = 1 << 30
    first(state)
    mix.mix(state)
    assert contest.raced == []


def test_a_slow_network_is_not_mixed_for_minutes() -> None:
    state, contest = searched(lambda *_: (0, 1.0))
    contest.baseline = replace(contest.baseline, latency_p50_ns=5e8)
    first(state)
    mix.mix(state)
    assert contest.raced == []


def test_nothing_is_mended_that_would_not_win() -> None:
    state, _ = searched(lambda trial, _: (100, 0.5) if trial.recipe else (0, 0.4))
    first(state)
    state.add(state.contest.try_out(Trial(TargetCandidate(provider="openvino"), FP32), 1.0))
    before = len(state.trials)
    mend.mend(state)
    assert len(state.trials) == before


def test_where_the_images_could_prove_nothing_anyway_nothing_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "IMAGES", 60)
    state, contest = searched(lambda *_: (5, 0.5))
    first(state)
    mend.mend(state)
    assert contest.judged == [INT8.name]


def test_where_the_unproven_may_win_few_images_suffice_to_mend_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "IMAGES", 60)
    state, contest = searched(lambda _, file: (0 if in_int8(file) < 3 else 5, 0.4))
    contest.ground.rules = Rules(RULES.budgets, accept_unproven=True)
    first(state)
    mend.mend(state)
    assert choices(state)["cpu-int8-u8s8-minmax-float1"].status == "chosen"


def test_slower_ones_are_judged_when_all_is_over_and_only_while_there_is_time() -> None:
    slow = TargetCandidate(provider="openvino")
    for seconds, expected in ((1000.0, True), (0.5, False)):
        state, contest = searched(lambda trial, _: (0, 1.3 if trial.candidate == slow else 0.5), seconds)
        try_listed(state, FP32, [INT8, slow])
        assert contest.judged == [INT8.name]
        judge_rest(state)
        assert (contest.judged == [INT8.name, slow.name]) == expected
        assert [each.accuracy is not None for each in state.trials] == [True, expected]


def test_islands_lead_to_the_mix_that_is_measured_fastest() -> None:
    state, contest = searched(islands)
    first(state)
    mix.mix(state)
    best = min(state.trials, key=lambda trial: trial.ratio)
    assert best.name == "cpu-int8-u8s8-minmax-mix100"
    assert best.ratio == pytest.approx(0.7)
    # All were timed in the same rounds, float and int8 themselves among them.
    assert {BASELINE.name, INT8.name} <= set(contest.raced[0])
    assert len(contest.raced[0]) == 8


def test_int8_that_is_much_faster_is_not_mixed() -> None:
    state, contest = searched(lambda trial, _: (0, 0.4 if trial.recipe else 1.0))
    first(state)
    mix.mix(state)
    assert contest.raced == []


def test_a_candidate_that_another_makes_needless_is_not_tried() -> None:
    spare = TargetCandidate(provider="cpu", precision="int8", recipe="u8s8-percentile", instead_of="u8s8-minmax")
    for lost, tried in ((0, False), (200, True)):
        state, contest = searched(lambda _, __, lost=lost: (lost, 0.5))  # type: ignore[misc]
        try_listed(state, FP32, [INT8, spare])
        assert (spare.name in contest.judged) is tried
        assert ((state.trials[1].setback or Setback("rejected", "")).status == "skipped") is not tried


def test_a_search_that_is_out_of_time_lists_what_it_did_not_reach() -> None:
    state, contest = searched(lambda *_: (0, 0.5), seconds=0.0)
    try_listed(state, FP32, [INT8])
    assert contest.judged == []
    assert [(trial.name, trial.accuracy) for trial in state.trials] == [(INT8.name, None)]
    mend.mend(state)
    mix.mix(state)
    assert len(state.trials) == 1


def test_a_file_that_is_not_made_in_time_is_listed_and_what_needs_none_is_tried_all_the_same() -> None:
    state, contest = searched(lambda *_: (0, 0.5), seconds=100.0)
    # Of 500 images a quantized file is judged in half of the baseline's time: 25 s.
    contest.baseline = replace(contest.baseline, latency_p50_ns=100e6)
    workshop: Any = state.workshop
    workshop.ready = state.clock.end
    del workshop.files[RECIPE.name]
    float32 = TargetCandidate(provider="openvino")
    try_listed(state, FP32, [INT8, float32])
    assert workshop.ends == [pytest.approx(state.clock.end - 25.0)]
    assert [(each.name, each.setback, each.latency) for each in state.trials[:1]] == [(INT8.name, None, None)]
    assert contest.judged == [float32.name]


def test_what_is_not_for_this_model_is_said_so_though_the_time_is_over() -> None:
    state, contest = searched(lambda *_: (0, 0.5), seconds=0.0)
    not_for_it: Any = state.workshop
    not_for_it.refusals[RECIPE.name] = refusal = Setback("skipped", "Its recipe is for others.")
    try_listed(state, FP32, [INT8])
    assert contest.judged == []
    assert [trial.setback for trial in state.trials] == [refusal]


def test_only_the_fastest_that_may_be_chosen_meet_in_the_end() -> None:
    state, contest = searched(lambda trial, _: (300 if trial.candidate.provider == "bad" else 0, 0.5))
    for provider in ("a", "b", "c", "d", "e", "bad"):
        state.add(state.contest.try_out(Trial(TargetCandidate(provider=provider), FP32), 1.0))
    final(state)
    assert len(contest.raced[-1]) == 4 and "bad-fp32" not in contest.raced[-1]
    assert sum(trial.finalist for trial in state.trials) == 4


@pytest.mark.parametrize(
    ("clear_from", "seconds", "races"),
    [(0, 1000.0, 1), (1, 1000.0, 2), (9, 1000.0, 3), (9, 5.0, 1)],
    ids=["clear at once", "clear at the second", "never clear", "no time for another"],
)
def test_the_final_race_is_run_again_while_it_leaves_open_who_is_faster(
    clear_from: int, seconds: float, races: int
) -> None:
    state, contest = searched(lambda *_: (0, 0.8), seconds)
    first(state)
    whole = contest.race

    def race(name: str, trials: Sequence[Trial], seconds: float) -> list[Trial]:
        clear = len(contest.raced) >= clear_from
        state.clock = Clock(state.clock.end - 5.0)
        return [
            replace(each, latency=Estimate(0.8, 0.78 if clear else 0.3, 0.82 if clear else 1.4, 0.95))
            for each in whole(name, trials, seconds)
        ]

    contest.race = race  # type: ignore[method-assign]
    final(state)
    assert len(contest.raced) == races
    assert is_surely_faster(state.trials[0]) == (clear_from < races)


@pytest.mark.parametrize(("seconds", "raced"), [(1000.0, 3), (160.0, 2), (120.0, 1), (100.0, 0)])
def test_of_a_slow_network_as_many_race_in_the_end_as_there_is_time_for(seconds: float, raced: int) -> None:
    speeds = {"a": 0.5, "b": 0.6, "c": 0.7}
    state, contest = searched(lambda trial, _: (0, speeds[trial.candidate.provider]), seconds)
    # A race takes 38 s at least for each that takes part, and the baseline does twice.
    contest.baseline = replace(contest.baseline, latency_p50_ns=1e9)
    for provider in speeds:
        state.add(state.contest.try_out(Trial(TargetCandidate(provider=provider), FP32), 1.0))
    final(state)
    assert [len(each) for each in contest.raced] == ([raced] if raced else [])
    assert choices(state)["a-fp32"].status == "chosen"


@pytest.mark.parametrize("dying", ["a-fp32", "b-fp32"])
def test_one_that_fails_in_the_final_race_does_not_keep_the_others_from_it(dying: str) -> None:
    speeds = {"a": 0.5, "b": 0.6, "c": 0.7}
    state, contest = searched(lambda trial, _: (0, speeds[trial.candidate.provider]))
    for provider in speeds:
        state.add(state.contest.try_out(Trial(TargetCandidate(provider=provider), FP32), 1.0))
    whole = contest.race

    def race(name: str, trials: Sequence[Trial], seconds: float) -> list[Trial]:
        return [] if dying in [each.name for each in trials] else whole(name, trials, seconds)

    contest.race = race  # type: ignore[method-assign]
    final(state)
    fastest = next(each for each in ("a-fp32", "b-fp32") if each != dying)
    found = choices(state)
    assert found[fastest].status == "chosen"
    assert next(each for each in state.trials if each.name == fastest).finalist
    if dying == "a-fp32":
        assert found[dying].status == "rejected" and "failed when it was timed" in found[dying].reason


def test_nothing_is_made_where_there_is_no_baseline_to_compare_with() -> None:
    state, contest = searched(lambda *_: (0, 0.5))
    contest.closed = Setback("unavailable", "Its baseline cannot run here.")
    workshop: Any = state.workshop
    try_listed(state, FP32, [INT8])
    assert workshop.ends == []
    assert [each.setback for each in state.trials] == [contest.closed]


def test_what_cannot_be_timed_in_the_time_that_is_left_is_not_begun() -> None:
    state, contest = searched(lambda *_: (0, 0.5), seconds=100.0)
    contest.baseline = replace(contest.baseline, latency_p50_ns=1e9)
    try_listed(state, FP32, [TargetCandidate(provider="openvino")])
    assert contest.judged == [] and [each.latency for each in state.trials] == [None]


def test_int8_that_is_no_faster_does_not_keep_a_network_from_being_trained_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained: list[str] = []
    monkeypatch.setattr(retrain, "_tried", lambda *given: trained.append(given[-1].name) or given[-1])
    for ratio, expected in ((1.1, [INT8.name]), (0.8, [])):
        slow = TargetCandidate(provider="other", precision="int8", recipe="u8s8-minmax")
        outcome = {INT8.name: (200, 0.5), slow.name: (0, ratio)}
        state, _ = searched(lambda trial, _, outcome=outcome: outcome[trial.name])  # type: ignore[misc]
        first(state)
        state.add(state.contest.judge(state.contest.try_out(Trial(slow, Path("slow.onnx"), RECIPE), 1.0)))
        trained.clear()
        retrain.retrain(state, FP32, retrain.Trainable(Path("classifier.safetensors"), [Path("a.jpg")], [0], 0))
        assert trained == expected


def test_a_network_is_trained_for_int8_only_where_nothing_else_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    trainable = retrain.Trainable(Path("classifier.safetensors"), [Path("a.jpg")], [0], 0)
    trained: list[str] = []

    def tried(state: Field, model: Path, given: retrain.Trainable, fastest: Trial) -> Trial:
        assert (model, given) == (FP32, trainable)
        trained.append(fastest.name)
        return replace(fastest, candidate=TargetCandidate(provider="cpu", precision="int8", recipe="retrained"))

    monkeypatch.setattr(retrain, "_tried", tried)
    for lost, known, expected in ((0, trainable, []), (200, None, []), (200, trainable, [INT8.name])):
        state, _ = searched(lambda _, __, lost=lost: (lost, 0.5))  # type: ignore[misc]
        first(state)
        trained.clear()
        retrain.retrain(state, FP32, known)
        assert trained == expected


def _doubted(spare: int, lost: int = 6, ratio: float = 0.5, seconds: float = 1000.0) -> tuple[Field, Contest]:
    """A search in which a candidate that loses ``lost`` of 500 images was tried, and ``spare`` more are there.

    With 4 of 500 lost a drop of at most 2 points is proven, with 6 it is not; of 800 images 6 are few enough.
    """
    state, contest = searched(lambda trial, file: (lost, ratio), seconds)
    contest.baseline = replace(contest.baseline, latency_p50_ns=10e6)
    contest.spare_images = spare
    first(state)
    return state, contest


def test_what_the_images_leave_in_doubt_is_judged_by_the_spare_ones(tmp_path: Path) -> None:
    state, contest = _doubted(spare=300)
    assert not state.rules.admit(state.trials[0])
    settle_doubts(state)
    assert contest.ground.images == 800
    assert state.trials[0].accuracy is not None and state.trials[0].accuracy.images == 800
    assert state.rules.admit(state.trials[0])
    assert state.best() == 0.5


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"spare": 0}, "there are no more"),
        ({"spare": 20}, "so few would not do"),
        ({"spare": 300, "lost": 3}, "there is no doubt"),
        ({"spare": 300, "lost": 30}, "it is lost, and more images would not help"),
        ({"spare": 300, "ratio": 1.1}, "it is slower than fp32"),
        ({"spare": 300, "seconds": 0.5}, "there is no time"),
    ],
)
def test_more_images_are_not_asked_for_in_vain(given: dict[str, Any], why: str) -> None:
    state, contest = _doubted(**given)
    judged = list(contest.judged)
    settle_doubts(state)
    assert contest.ground.images == IMAGES, why
    assert contest.judged == judged


def test_what_may_be_chosen_unproven_is_judged_by_the_spare_images_too() -> None:
    state, contest = _doubted(spare=300)
    contest.ground.rules = Rules(RULES.budgets, accept_unproven=True)
    assert state.best() == 0.5
    settle_doubts(state)
    assert contest.ground.images == 800 and state.trials[0].accuracy is not None
    assert state.trials[0].accuracy.images == 800


def test_settings_of_a_provider_are_tried_on_its_fastest_files(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"NHWC": {"prefer_nhwc": "1"}, "CUDA graph": {"graph": "1"}, "on the device": {"binding": "device"}}
    monkeypatch.setattr("edgetl.device.providers.cpu.SETTINGS", settings, raising=False)
    speeds = {"cpu-fp32": 1.0, "cpu-int8-u8s8-minmax": 0.5, "cpu-int8-u8s8-percentile": 0.7}
    lost = {"cpu-int8-u8s8-percentile": 200}

    def outcome(trial: Trial, file: onnx.ModelProto | None) -> tuple[int, float]:
        plain = trial.candidate.model_copy(update={"setting": None}).name
        return lost.get(plain, 0), speeds[plain] * (0.8 if trial.candidate.setting == "NHWC" else 1.1)

    state, _ = searched(outcome)
    try_listed(state, FP32, [INT8, INT8.model_copy(update={"recipe": "u8s8-percentile"})])
    tune(state)
    added = {trial.name: trial.model for trial in state.trials[2:]}
    # Nothing of what loses too much, and nothing that only images on the device would have.
    assert added == {
        "cpu-int8-u8s8-minmax-nhwc": Path("u8s8-minmax.onnx"),
        "cpu-fp32-nhwc": FP32,
        "cpu-int8-u8s8-minmax-cuda-graph": Path("u8s8-minmax.onnx"),
        "cpu-fp32-cuda-graph": FP32,
    }
    final(state)
    assert min(state.trials, key=lambda trial: trial.ratio).name == "cpu-int8-u8s8-minmax-nhwc"


def test_a_provider_without_settings_has_none_tried() -> None:
    state, _ = searched(lambda trial, file: (0, 0.5))
    try_listed(state, FP32, [INT8])
    tune(state)
    assert [trial.name for trial in state.trials] == [INT8.name]
