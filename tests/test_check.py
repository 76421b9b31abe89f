"""`check` from a run to a verdict, on models whose latency and answers are scripted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgetl.artifacts import CheckResult
from edgetl.check import CheckSettings, check
from edgetl.errors import UsageError, WorkerError
from edgetl.progress import Silent
from tests.measure.scripted_run import MS, script, scripted_run


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


def test_a_slower_candidate_fails_on_latency(tmp_path: Path) -> None:
    result = checked(scripted_run(tmp_path, fake_fp32={}, fake_int8={"latency_ns": [int(10.8 * MS)]}))
    assert result.verdict == "fail"
    assert result.reasons[0].startswith("Latency is 1.080x")


def test_a_slowdown_within_the_budget_passes(tmp_path: Path) -> None:
    result = checked(scripted_run(tmp_path, fake_fp32={}, fake_int8={"latency_ns": [int(10.3 * MS)]}))
    assert result.verdict == "pass"
    assert result.latency.ratio == pytest.approx(1.03)


def test_lost_accuracy_fails_and_lists_the_flips_with_their_paths(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={"latency_ns": [4 * MS], "flips": 0.2})
    result = checked(run)
    assert result.verdict == "fail"
    assert result.reasons[0].startswith("Top-1")
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


def test_raw_timings_are_kept_in_rounds(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={"latency_ns": [4 * MS]})
    raw = json.loads((run / checked(run).timings).read_text())
    assert raw["unit"] == "ns"
    assert set(raw["inference"]) == {"baseline", "baseline again", "candidate"}
    # Constant timings decide at the first look.
    assert {len(blocks) for blocks in raw["inference"].values()} == {8}
    assert {ns for block in raw["inference"]["candidate"] for ns in block} == {4 * MS}


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
        ({"baseline": Path("missing.onnx")}, "no model file missing.onnx"),
        ({"baseline": script(tmp_path / "junk.onnx")}, "not an ONNX model"),
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
