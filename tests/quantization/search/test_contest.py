"""The contest, on engines whose clock and answers are scripted: exact, and without a real engine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgetl.environments.local import local_command
from edgetl.errors import WorkerError
from edgetl.measure import loading
from edgetl.measure.worker import Worker
from edgetl.quantization.search import contest as contests
from edgetl.quantization.search.choose import Rules, choose
from edgetl.quantization.search.contest import Contest, same_logits
from edgetl.quantization.search.ground import Ground
from edgetl.quantization.search.on_target import Logits
from edgetl.quantization.search.standing import standing
from edgetl.quantization.search.trial import Trial
from edgetl.targets import Budgets, TargetCandidate

BASELINE = TargetCandidate(provider="fake")
INT8 = TargetCandidate(provider="fake", precision="int8", recipe="u8s8-minmax")
RULES = Rules(Budgets(top1_drop=0.05))
MS = 1_000_000


def _script(path: Path, **script: Any) -> Path:
    path.write_text(json.dumps({"classes": 3, "logits": {"by": "brightness"}, **script}))
    return path


def _ground(images: int = 60) -> Ground:
    labels = [index % 3 for index in range(images)]
    pixels = np.stack([np.full((4, 4, 3), 40 + 85 * label, np.uint8) for label in labels])
    pixels[:, 0, 0, 0] += np.arange(images, dtype=np.uint8) % 8
    return Ground(local_command(), pixels, labels, 1, RULES)


def _tried(tmp_path: Path, seconds: float = 2.0, **script: Any) -> tuple[Contest, Trial]:
    model = _script(tmp_path / "model.json", latency_ns=[10 * MS])
    with Contest(BASELINE, model, _ground(), 60.0) as contest:
        candidate = Trial(INT8, _script(tmp_path / "candidate.json", **({"latency_ns": [5 * MS]} | script)))
        return contest, contest.try_out(candidate, seconds)


def test_latency_and_accuracy_are_the_scripted_ones(tmp_path: Path) -> None:
    contest, trial = _tried(tmp_path)
    assert trial.latency is not None and trial.accuracy is not None
    assert trial.latency.value == pytest.approx(0.5)
    assert trial.latency_p50_ns == 5 * MS
    assert contest.baseline.latency_p50_ns == 10 * MS
    assert (trial.accuracy.candidate, trial.accuracy.agreement, trial.accuracy.images) == (1.0, 1.0, 60)
    assert trial.distance == 0.0


def test_a_setting_reaches_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgetl.device.providers.fake.SETTINGS", {"tuned": {"tuned": "1"}}, raising=False)
    model = _script(tmp_path / "model.json", latency_ns=[10 * MS], tuned=0.7)
    with Contest(BASELINE, model, _ground(), 60.0) as contest:
        trial = contest.try_out(Trial(BASELINE.model_copy(update={"setting": "tuned"}), model), 2.0)
    assert trial.name == "fake-fp32-tuned"
    assert trial.latency is not None and trial.latency.value == pytest.approx(0.7)


def test_int8_that_is_slower_leaves_fp32_chosen(tmp_path: Path) -> None:
    contest, trial = _tried(tmp_path, latency_ns=[13 * MS])
    choices = choose(contest.baseline, [trial], Rules(Budgets(top1_drop=0.05)))
    assert choices["fake-fp32"].status == "baseline"
    assert choices[INT8.name].status == "rejected"
    assert "0.77 times" in choices[INT8.name].reason


def test_what_is_slower_than_the_best_is_timed_and_not_judged(tmp_path: Path) -> None:
    model = _script(tmp_path / "model.json", latency_ns=[10 * MS])
    with Contest(BASELINE, model, _ground(), 60.0) as contest:
        script = _script(tmp_path / "candidate.json", latency_ns=[5 * MS])
        slower, faster = (contest.try_out(Trial(INT8, script), 2.0, best) for best in (0.4, 0.6))
    assert slower.latency is not None and slower.latency.value == pytest.approx(0.5)
    assert slower.accuracy is None
    assert faster.accuracy is not None


@pytest.mark.parametrize(("time_budget_s", "judged"), [(12.0, False), (120.0, True)])
def test_what_seems_slower_is_judged_only_where_judging_is_cheap(
    tmp_path: Path, time_budget_s: float, judged: bool
) -> None:
    """Judging takes 60 images of 20 ms: a tenth of 12 seconds."""
    model = _script(tmp_path / "model.json", latency_ns=[20 * MS])
    noisy = {"median_ns": 20 * MS, "sigma": 0.3, "seed": 1}
    candidate = Trial(INT8, _script(tmp_path / "candidate.json", latency_ns=noisy))
    with Contest(BASELINE, model, _ground(), time_budget_s) as contest:
        first = contest.try_out(candidate, 1.0).latency
        assert first is not None
        best = (first.low + first.value) / 2
        trial = contest.try_out(candidate, 1.0, best)
    assert trial.latency is not None
    assert trial.latency.low < best < trial.latency.value, "slower as it seems, and not for sure"
    assert (trial.accuracy is not None) is judged


def test_a_candidate_that_loses_accuracy_is_timed_since_it_may_be_mended(tmp_path: Path) -> None:
    _, trial = _tried(tmp_path, flips=0.5)
    assert trial.accuracy is not None and trial.accuracy.drop > 0.2
    assert trial.distance is not None and trial.distance > 0
    assert trial.latency is not None and trial.latency.value == pytest.approx(0.5)


def test_judging_takes_all_cores_whatever_number_of_threads_is_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[int] = []

    def load(worker: Worker, model: Path, provider: str, precision: str, threads: int, options: dict[str, str]) -> None:
        loaded.append(threads)
        loading.load(worker, model, provider, precision, threads, options)

    monkeypatch.setattr(contests, "load", load)
    model = _script(tmp_path / "model.json")
    with Contest(BASELINE, model, _ground(), 60.0) as contest:
        cores = contest._cores
        contest.try_out(Trial(INT8, _script(tmp_path / "a.json", latency_ns=[500_000])), 0.5)
    # Two of the baseline and the candidate are timed with one thread, both are judged with all.
    assert loaded == ([1, 1, 1] if cores == 1 else [1, 1, 0, 1, 0])


def test_a_hopeless_candidate_does_not_see_all_images(tmp_path: Path) -> None:
    model = _script(tmp_path / "model.json", latency_ns=[10 * MS])
    with Contest(BASELINE, model, _ground(600), 600.0) as contest:
        trial = contest.judge(Trial(INT8, _script(tmp_path / "candidate.json", flips=0.9)))
    assert trial.accuracy is not None and trial.accuracy.images == 64


def test_a_slow_network_is_judged_on_as_many_images_as_there_is_time_for_and_as_prove_something(tmp_path: Path) -> None:
    """At 0.1 s an image a search of 60 s affords 100 of them; a candidate without loss needs 52 to be proven."""
    model = _script(tmp_path / "model.json", latency_ns=[100 * MS])
    with Contest(BASELINE, model, _ground(600), 60.0) as contest:
        trial = contest.judge(Trial(INT8, _script(tmp_path / "candidate.json")))
    assert trial.accuracy is not None and trial.accuracy.images == 2 * 52
    assert standing(trial, RULES.budgets) == "kept"


def test_a_network_too_slow_for_a_proof_leaves_time_to_the_candidates(tmp_path: Path) -> None:
    """At 0.1 s an image 120 of them are all of the 12 seconds, and a proof would take 104."""
    model = _script(tmp_path / "model.json", latency_ns=[100 * MS])
    with Contest(BASELINE, model, _ground(600), 12.0) as contest:
        assert len(contest.ground.pixels) == 60


@pytest.mark.parametrize(("latency_ms", "images"), [(1, 24), (4, 7), (100, 4)])
def test_an_emulated_processor_is_asked_fewer_images_of_a_slow_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, latency_ms: int, images: int
) -> None:
    asked: list[int] = []

    def as_on_target(trial: Trial, ground: Ground, here: Logits, baseline: Logits) -> Trial:
        asked.append(len(baseline))
        return trial

    monkeypatch.setattr(contests, "as_on_target", as_on_target)
    model = _script(tmp_path / "model.json", latency_ns=[latency_ms * MS])
    with Contest(BASELINE, model, _ground(), 60.0) as contest:
        contest.judge(Trial(INT8, _script(tmp_path / "candidate.json")))
    assert asked == [images]


def test_more_images_are_judged_by_from_then_on(tmp_path: Path) -> None:
    model = _script(tmp_path / "model.json", latency_ns=[100 * MS])
    with Contest(BASELINE, model, _ground(600), 60.0) as contest:
        assert contest.spare_images == 600 - 104
        contest.extend(50)
        trial = contest.judge(Trial(INT8, _script(tmp_path / "candidate.json")))
        assert contest.spare_images == 600 - 154
    assert trial.accuracy is not None and trial.accuracy.images == 154
    assert contest.baseline.accuracy is not None and contest.baseline.accuracy.images == 154
    assert trial.accuracy.agreement == 1.0


def test_another_engine_s_rounding_is_no_other_model() -> None:
    logits = np.random.default_rng(0).standard_normal((20, 5)).astype(np.float32)
    assert same_logits(logits, logits * np.float32(1 + 1e-6))
    assert not same_logits(logits, np.round(logits, 1))


def test_a_worker_that_cannot_be_reached_is_an_error_and_not_a_baseline_that_lost(tmp_path: Path) -> None:
    model = _script(tmp_path / "model.json")
    with pytest.raises(WorkerError, match="no-such-program"):
        Contest(BASELINE, model, replace(_ground(), command=("no-such-program",)), 60.0).__enter__()


def test_an_engine_that_is_not_there_makes_a_row_that_says_why(tmp_path: Path) -> None:
    _, trial = _tried(tmp_path, fail={"at": "load", "how": "unavailable", "message": "No such device."})
    assert trial.setback is not None
    assert (trial.setback.status, trial.setback.reason) == ("unavailable", "No such device.")


def test_an_engine_that_silently_computes_in_another_precision_is_not_measured(tmp_path: Path) -> None:
    _, trial = _tried(tmp_path, precision="fp32")
    assert trial.setback is not None
    assert trial.setback.status == "unavailable"
    assert "fp32" in trial.setback.reason
    assert trial.latency is None


def test_an_engine_that_dies_is_out_and_the_contest_goes_on(tmp_path: Path) -> None:
    model = _script(tmp_path / "model.json", latency_ns=[10 * MS])
    with Contest(BASELINE, model, _ground(), 60.0) as contest:
        fail = {"at": "run", "how": "exit", "after": 3, "message": "Out of luck."}
        dead = contest.try_out(Trial(INT8, _script(tmp_path / "a.json", fail=fail)), 2.0)
        good = contest.try_out(Trial(INT8, _script(tmp_path / "b.json", latency_ns=[5 * MS])), 2.0)
    assert dead.setback is not None and dead.setback.status == "rejected"
    assert good.latency is not None


def test_a_baseline_that_cannot_run_here_makes_every_candidate_unavailable(tmp_path: Path) -> None:
    model = _script(tmp_path / "m.json", fail={"at": "load", "how": "unavailable", "message": "No GPU."})
    with Contest(BASELINE, model, _ground(), 60.0) as contest:
        trial = contest.try_out(Trial(INT8, _script(tmp_path / "c.json")), 2.0)
        assert contest.baseline.setback is not None
        assert contest.baseline.setback.reason == "No GPU."
    assert trial.setback is not None and trial.setback.status == "unavailable"


def test_raw_timings_are_kept_in_whole_nanoseconds(tmp_path: Path) -> None:
    contest, _ = _tried(tmp_path)
    raw = contest.timings[INT8.name]
    assert set(raw) == {"baseline", "baseline again", INT8.name}
    assert all(isinstance(run, int) for block in raw[INT8.name] for run in block)
    assert len(raw["baseline"]) == len(raw[INT8.name])


def test_the_fastest_meet_in_the_end_whatever_the_machine_did_when_they_raced_alone(tmp_path: Path) -> None:
    """The slower of two candidates raced while the machine favoured it: timed together, it must not win."""
    other = TargetCandidate(provider="fake", precision="bf16")
    model = _script(tmp_path / "model.json", latency_ns=[10 * MS])
    fast = Trial(INT8, _script(tmp_path / "fast.json", latency_ns=[4 * MS]))
    slow = Trial(other, _script(tmp_path / "slow.json", latency_ns=[5 * MS]))
    with Contest(BASELINE, model, _ground(), 60.0) as contest:
        fast, slow = (contest.try_out(each, 2.0) for each in (fast, slow))
        assert slow.latency is not None
        favoured = replace(slow, latency=replace(slow.latency, value=0.3, low=0.29, high=0.31))
        trials = contest.race("final", [fast, favoured], 1.0)
        assert [round(each.latency.value, 3) for each in trials if each.latency] == [0.4, 0.5]
        assert set(contest.timings["final"]) == {"baseline", "baseline again", INT8.name, other.name}
        choices = choose(contest.baseline, trials, Rules(Budgets(top1_drop=0.05)))
    assert choices[INT8.name].status == "chosen"
    assert choices[other.name].status == "accepted"
