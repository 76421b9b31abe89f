"""`check` from a run to a verdict, on models whose latency and answers are scripted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgetl.artifacts import CheckResult, QuantizeResult
from edgetl.errors import DataError, UsageError, WorkerError
from edgetl.gate.images import order
from edgetl.gate.sides import Side
from edgetl.gate.stage import CheckSettings, check, inputs
from edgetl.measure.launches import MIN_ROUNDS
from edgetl.progress import Silent
from tests.measure.scripted_run import MS, PREPROCESS, draw, script, scripted_run
from tests.photos import Remarks


def checked(run: Path, **settings: object) -> CheckResult:
    return check(CheckSettings(run, time_budget_s=2.0, **settings), Silent())  # type: ignore[arg-type]


def test_a_faster_candidate_that_loses_nothing_passes(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={"latency_ns": [4 * MS]})
    result = checked(run)
    assert result.verdict == "pass"
    assert (result.baseline, result.candidate, result.target) == ("fake-fp32", "fake-int8", "x86-64")
    assert result.latency.ratio == pytest.approx(0.4)
    assert (result.accuracy.images, result.accuracy.drop, result.accuracy.agreement) == (210, 0.0, 1.0)
    assert result.accuracy.flips == ()
    assert len(result.reasons) == 2
    assert CheckResult.load(run) == result


def test_a_candidate_is_judged_with_the_options_that_it_was_chosen_with(tmp_path: Path) -> None:
    tuned = {"latency_ns": [8 * MS], "tuned": 0.5, "options": {"tuned": "1"}}
    assert checked(scripted_run(tmp_path, fake_fp32={}, fake_int8=tuned)).latency.ratio == pytest.approx(0.4)


def test_one_file_with_other_options_is_not_itself(tmp_path: Path) -> None:
    model = script(tmp_path / "m.json")
    side = Side("one", model, "fake", "fp32", PREPROCESS, ("a", "b", "c"))
    assert side.identity == replace(side, name="other").identity
    assert side.identity != replace(side, options={"tuned": "1"}).identity
    # What goes in and what comes out may be kept outside of a model's file.
    assert side.identity != replace(side, preprocess=replace(PREPROCESS, crop=6)).identity
    assert side.identity != replace(side, classes=("b", "a", "c")).identity


def test_a_slower_candidate_fails_on_latency(tmp_path: Path) -> None:
    result = checked(scripted_run(tmp_path, fake_fp32={}, fake_int8={"latency_ns": [int(10.8 * MS)]}))
    assert result.verdict == "fail"
    assert result.reasons[0].startswith("Latency is 1.080 times the baseline's")


def test_a_slowdown_within_the_budget_passes(tmp_path: Path) -> None:
    result = checked(scripted_run(tmp_path, fake_fp32={}, fake_int8={"latency_ns": [int(10.3 * MS)]}))
    assert result.verdict == "pass"
    assert result.latency.ratio == pytest.approx(1.03)


def test_lost_accuracy_fails_and_lists_the_flips_with_their_paths(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={"latency_ns": [4 * MS], "flips": 0.2})
    result = checked(run)
    assert result.verdict == "fail"
    assert result.reasons[0].startswith("Top-1 drop on 210 images")
    assert result.accuracy.lost > 20 and result.accuracy.won == 0 and result.accuracy.mcnemar_p < 1e-5
    assert [each.name for each in result.accuracy.classes if each.drop > 0] != []
    flips = result.accuracy.flips
    assert len(flips) == round(210 * (1 - result.accuracy.agreement)) > 20
    for flip in flips:
        assert (tmp_path / "photos" / flip.path).is_file()
        assert flip.label in flip.path
        assert flip.baseline == flip.label != flip.candidate


def test_too_few_images_are_inconclusive_and_say_how_many_more(tmp_path: Path) -> None:
    result = checked(scripted_run(tmp_path, test=5, fake_fp32={}, fake_int8={"latency_ns": [4 * MS]}))
    assert result.verdict == "inconclusive"
    assert "more images" in result.reasons[0]


def test_raw_timings_of_every_launch_are_kept(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={"latency_ns": [4 * MS]})
    raw = json.loads((run / checked(run).timings).read_text())
    assert raw["unit"] == "ns"
    # Constant timings decide at the first look.
    assert len(raw["launches"]) == 3
    for launch in raw["launches"]:
        assert set(launch["timed"]) == {"baseline", "baseline again", "candidate"}
        assert {ns for block in launch["timed"]["candidate"]["inference"] for ns in block} == {4 * MS}
        assert launch["state"]["seconds"] > 0


def test_a_named_candidate_is_judged_instead_of_the_chosen_one(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={}, slow_int8={"latency_ns": [20 * MS]})
    result = checked(run, candidate="slow-int8")
    assert (result.candidate, result.verdict) == ("slow-int8", "fail")


def test_without_a_chosen_candidate_fp32_is_judged_against_itself(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={"status": "rejected"})
    result = checked(run)
    assert (result.candidate, result.verdict, result.latency.ratio) == ("fake-fp32", "pass", 1.0)


def test_a_candidate_that_cannot_run_here_is_no_verdict(tmp_path: Path) -> None:
    fail = {"at": "load", "how": "unavailable", "message": "No such device."}
    with pytest.raises(WorkerError, match="No such device") as caught:
        checked(scripted_run(tmp_path, fake_fp32={}, fake_int8={"fail": fail}))
    assert caught.value.exit_code == 3


def test_a_candidate_in_another_precision_than_its_own_is_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="computes in fp32"):
        checked(scripted_run(tmp_path, fake_fp32={}, fake_int8={"precision": "fp32"}))


def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={"classes": 4}, other_int8={})
    for settings, sentence in (
        ({"candidate": "fake-int9"}, "Did you mean 'fake-int8'?"),
        ({"candidate": "missing.onnx"}, "no model file missing.onnx"),
        ({"baseline": "missing.onnx"}, "no model file missing.onnx"),
        ({"baseline": str(script(tmp_path / "junk.onnx"))}, "not an ONNX model"),
        ({"labels": Path("labels.csv")}, "Give --images, too"),
        ({}, "4 classes"),
    ):
        with pytest.raises(UsageError, match="(?s).*" + sentence.replace("?", r"\?")):
            checked(run, **settings)
    assert not (run / CheckResult.FILE).exists()


def test_the_baseline_against_itself_passes_however_few_images_there_are(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, test=2, fake_fp32={}, fake_int8={"status": "rejected"})
    result = checked(run)
    assert (result.candidate, result.verdict) == (result.baseline, "pass")
    assert "the baseline itself" in result.reasons[0]
    assert "nothing is gained" in result.reasons[0]
    assert len(set(result.reasons)) == len(result.reasons), "said once, however many budgets there are"


def target(path: Path, **budgets: object) -> str:
    """Write a target with more budgets than the packaged ones have."""
    lines = "\n".join(f"{name} = {value}" for name, value in budgets.items())
    path.write_text(
        'name = "own"\ndescription = "own"\nthreads = 1\n[machine]\narchitecture = "x86_64"\n'
        f'[[candidates]]\nprovider = "fake"\n[budgets]\n{lines}\n'
    )
    return str(path)


def test_every_budget_of_the_target_is_judged(tmp_path: Path) -> None:
    slow = {"latency_ns": [4 * MS] * 8 + [30 * MS] * 2}
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8=slow)
    budgets = {
        "latency_ratio": 1.0,
        "latency_p50_ms": 5.0,
        "latency_p90_ratio": 1.5,
        "end_to_end_ms": 20.0,
        "cold_start_ms": 60_000.0,
        "memory_mb": 1.0,
        "size_ratio": 100.0,
        "top1": 0.9,
        "worst_class_drop": 0.1,
    }
    result = checked(run, target=target(tmp_path / "own.toml", **budgets))
    outcomes = {finding.budget: finding.outcome for finding in result.findings}
    assert outcomes == {
        **dict.fromkeys((*budgets, "top1_drop"), "pass"),
        "latency_p90_ratio": "fail",
        "memory_mb": "fail",
    }
    assert [finding.outcome for finding in result.findings[:3]] == ["fail", "fail", "pass"]
    by_budget = {finding.budget: finding for finding in result.findings}
    assert by_budget["latency_p90_ratio"].value == pytest.approx(3.0)
    assert (by_budget["latency_p90_ratio"].baseline, by_budget["latency_p90_ratio"].candidate) == pytest.approx(
        (10, 30)
    )
    assert by_budget["top1"].unit == "points" and by_budget["top1"].value == 100.0
    assert by_budget["memory_mb"].reason.startswith("Peak memory is")


def test_the_90th_percentile_of_a_slow_model_is_judged_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A launch would time far fewer than the 29 runs that it takes, and more time would not help."""
    # Scripted runs take no time, so that a launch would make all rounds that it may.
    monkeypatch.setattr("edgetl.measure.launches.MAX_ROUNDS", MIN_ROUNDS)
    run = scripted_run(tmp_path, fake_fp32={"latency_ns": [200 * MS]}, fake_int8={"latency_ns": [150 * MS]})
    result = checked(run, target=target(tmp_path / "own.toml", latency_p90_ms=180))
    assert {finding.budget: finding.outcome for finding in result.findings}["latency_p90_ms"] == "pass"


def test_a_machine_that_is_not_the_target_is_told(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={"latency_ns": [4 * MS]})
    remarks = Remarks()
    settings = CheckSettings(run, time_budget_s=2.0, target="raspberry-pi-5")
    result = check(settings, remarks)
    assert result.verdict == "pass"
    assert [each for each in remarks.remarks if "is not what target raspberry-pi-5 describes" in each]


def test_a_stored_verdict_of_another_machine_is_none_of_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`edgetl run` keeps a stage whose inputs have not changed: the machine that measures is one of them."""
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={})
    settings = CheckSettings(run), CheckSettings(run, worker=("ssh", "board"))
    here = [inputs(each) for each in settings]
    assert [inputs(each) for each in settings] == here
    monkeypatch.setattr("edgetl.device.machine.cpu_model", lambda _root: "Another CPU")
    elsewhere = [inputs(each) for each in settings]
    assert elsewhere[0] != here[0]
    assert elsewhere[1] == here[1]


def test_a_run_names_the_target_where_nobody_does(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    before = scripted_run(old, fake_fp32={}, fake_int8={"latency_ns": [4 * MS]})
    own = target(tmp_path / "own.toml", latency_ratio=1.5)
    after = scripted_run(new, fake_fp32={}, fake_int8={"latency_ns": [5 * MS]})
    quantized = QuantizeResult.load(after).model_copy(update={"target": own})
    quantized.save(after)
    settings = CheckSettings(None, candidate=str(after), baseline=str(before), out=tmp_path / "out", time_budget_s=2.0)
    result = check(settings, Silent())
    assert (result.target, result.verdict) == (own, "pass")


def test_two_runs_are_compared_by_what_they_chose(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    before = scripted_run(old, fake_fp32={}, fake_int8={"latency_ns": [4 * MS]})
    after = scripted_run(new, fake_fp32={}, fake_int8={"latency_ns": [5 * MS]})
    result = checked(after, baseline=str(before))
    assert (result.baseline, result.candidate) == ("run/fake-int8", "fake-int8")
    assert (result.verdict, result.latency.ratio) == ("fail", pytest.approx(1.25))


def test_images_of_ones_own_judge_instead_of_the_runs(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={"latency_ns": [4 * MS]})
    photos = draw(tmp_path / "others", {"test": 70})
    result = checked(run, images=photos / "test")
    assert (result.verdict, result.accuracy.images, result.accuracy.candidate) == ("pass", 210, 1.0)


def test_models_that_name_their_classes_in_another_order_are_compared_by_name(tmp_path: Path) -> None:
    side = Side("other", tmp_path, "fake", "fp32", PREPROCESS, ("b", "c", "a"))
    assert order(side, ("a", "b", "c")) == [2, 0, 1]
    assert order(side, ("b", "c", "a")) is None
    with pytest.raises(UsageError, match="not the same ones, such as 'c'"):
        order(side, ("a", "b"))


def test_a_worker_that_dies_while_it_is_timed_is_no_verdict(tmp_path: Path) -> None:
    dying = {"fail": {"at": "run", "how": "exit", "after": 60, "message": "No memory."}}
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8=dying)
    with pytest.raises(WorkerError, match=r"(?s)was asked|ended with exit code 70.*No memory\."):
        checked(run)
    assert not (run / CheckResult.FILE).exists()


def test_images_that_a_model_learnt_from_do_not_judge_it(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={"latency_ns": [4 * MS]})
    photos = draw(tmp_path / "others", {"train": 10, "val": 5, "test": 70})
    assert checked(run, images=photos).accuracy.images == 210


def test_labels_that_are_no_classes_are_said_to_be_so(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={})
    photos = draw(tmp_path / "others", {"test": 5}) / "test"
    (photos / "0-dark").rename(photos / "Dark")
    with pytest.raises(DataError, match="labels images as '1-middle' and 2 more"):
        checked(run, images=photos)


def test_a_least_top1_takes_labels(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={})
    flat = tmp_path / "flat"
    flat.mkdir()
    for index, path in enumerate(sorted(draw(tmp_path / "others", {"test": 5}).rglob("*.png"))):
        path.rename(flat / f"{index}.png")
    assert checked(run, images=flat).accuracy.labelled_by == "model"
    with pytest.raises(UsageError, match="takes labelled images"):
        checked(run, images=flat, target=target(tmp_path / "own.toml", top1=0.9))


def test_a_place_that_cannot_be_written_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={})
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError):
        checked(run, out=tmp_path / "file" / "results")
