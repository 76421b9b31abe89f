"""Verdicts: what fails, what passes, what cannot be told, and that the sentence gives the numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from edgetl.artifacts import Finding, State
from edgetl.gate.evidence import BASELINE, CANDIDATE, TWIN, Evidence
from edgetl.gate.limits import LIMITS, judge, outcome, settled
from edgetl.gate.verdict import ordered, reasons
from edgetl.measure.accuracy import PairedAccuracy, paired
from edgetl.measure.launches import Launch, Timed
from edgetl.measure.statistics import Estimate
from edgetl.targets import Budgets

BUDGETS = Budgets(latency_ratio=1.05, top1_drop=0.02)
QUIET = State(seconds=1.0)
FLOOR = Estimate(1.0, 0.999, 1.001, 0.95)


def accuracy(images: int, lost: int, won: int) -> PairedAccuracy:
    """A comparison in which only the baseline was right ``lost`` times, only the candidate ``won`` times."""
    labels = [0] * images
    before = [1] * won + [0] * (images - won)
    after = [0] * won + [1] * lost + [0] * (images - won - lost)
    return paired(labels, before, after)


def timed(ns: float) -> Timed:
    return Timed(10**7, 10**6, ((round(ns),) * 40,) * 4, ((round(2 * ns),) * 4,), 10**8)


def launches(ratios: Sequence[float], twins: Sequence[float] | None = None) -> tuple[Launch, ...]:
    """A launch a ratio, in which the baseline takes 10 ms and its twin that times ``twins``."""
    twins = twins or [1.0] * len(ratios)
    return tuple(
        Launch({BASELINE: timed(1e7), TWIN: timed(1e7 * twin), CANDIDATE: timed(1e7 * ratio)}, QUIET)
        for ratio, twin in zip(ratios, twins, strict=True)
    )


def evidence(
    ratios: Sequence[float] = (1.0, 1.0, 1.0),
    seen: PairedAccuracy | None = None,
    twins: Sequence[float] | None = None,
    same: bool = False,
) -> Evidence:
    classes = ("cat", "dog")
    return Evidence(launches(ratios, twins), seen or accuracy(1000, 0, 0), classes, (4_000_000, 1_000_000), same)


def found(budget: str, *, budgets: Budgets = BUDGETS, **given: object) -> Finding:
    return {each.budget: each for each in judge(evidence(**given), budgets)}[budget]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ((0.44, 0.45, 0.46), "pass"),
        ((1.019, 1.02, 1.021), "pass"),
        ((1.0, 1.04, 1.08), "inconclusive"),
        ((1.04, 1.09, 1.14), "inconclusive"),
        ((1.099, 1.10, 1.101), "fail"),
        ((1.2, 1.2), "inconclusive"),
    ],
)
def test_latency_is_judged_by_its_interval(ratios: Sequence[float], expected: str) -> None:
    assert found("latency_ratio", ratios=ratios).outcome == expected


@pytest.mark.parametrize(
    ("images", "lost", "won", "expected"),
    [
        (400, 0, 0, "pass"),
        (1000, 12, 8, "pass"),
        (50, 0, 0, "inconclusive"),
        (400, 12, 2, "inconclusive"),
        (400, 40, 5, "fail"),
    ],
)
def test_accuracy_is_judged_by_its_interval(images: int, lost: int, won: int, expected: str) -> None:
    assert found("top1_drop", seen=accuracy(images, lost, won)).outcome == expected


def test_a_significant_regression_within_the_budget_is_no_failure() -> None:
    """Both bounds above "no change", both below the budget."""
    finding = found("top1_drop", seen=accuracy(5000, 40, 5))
    assert finding.ci[0] > 0 and finding.outcome == "pass"


def test_no_difference_found_is_no_pass() -> None:
    finding = found("top1_drop", seen=accuracy(60, 1, 1))
    assert finding.value == 0.0 and finding.outcome == "inconclusive"


def test_processes_of_the_baseline_that_differ_make_a_slowdown_unclear() -> None:
    """The candidate's launches agree by luck; what two processes of one model differ by says that it is luck."""
    assert found("latency_ratio", ratios=(1.08, 1.08, 1.08)).outcome == "fail"
    assert found("latency_ratio", ratios=(1.08, 1.08, 1.08), twins=(1.1, 0.9, 1.05)).outcome == "inconclusive"


def test_the_worst_class_is_judged_by_its_own_images() -> None:
    labels = [0] * 500 + [1] * 100
    after = [0] * 500 + [0] * 30 + [1] * 70
    budgets = Budgets(worst_class_drop=0.1, top1_drop=0.2)
    finding = found("worst_class_drop", seen=paired(labels, labels, after), budgets=budgets)
    assert (finding.outcome, finding.value, finding.baseline, finding.candidate) == ("fail", 30.0, 100.0, 70.0)
    assert "'dog', on its 100 images" in finding.reason
    small = paired([0] * 500 + [1] * 5, [0] * 500 + [1] * 5, [0] * 500 + [0] + [1] * 4)
    unclear = found("worst_class_drop", seen=small, budgets=budgets)
    assert unclear.outcome == "inconclusive" and "(of that class)" in unclear.reason


def test_the_worst_of_many_classes_is_not_called_worse_for_being_the_worst_of_many() -> None:
    """In 60 classes of 20 images one loses 7: by itself that would be beyond the budget, of 60 it may be chance."""
    labels = [label for label in range(60) for _ in range(20)]
    after = [label + 1 if label == 0 and index < 7 else label for index, label in enumerate(labels)]
    seen = Evidence(launches((1.0,) * 3), paired(labels, labels, after), tuple(map(str, range(61))), (1, 1), False)
    (finding,) = (each for each in judge(seen, Budgets(worst_class_drop=0.1)) if each.budget == "worst_class_drop")
    assert finding.outcome == "inconclusive"
    assert judge_alone(7, 20) > 0.1


def judge_alone(lost: int, images: int) -> float:
    from edgetl.measure.accuracy import drop_interval

    return drop_interval(lost, 0, images)[0]


def test_sizes_are_exact() -> None:
    budgets = Budgets(size_ratio=0.3, size_mb=0.5)
    assert found("size_ratio", budgets=budgets).outcome == "pass"
    beyond = found("size_mb", budgets=budgets)
    assert (beyond.outcome, beyond.value, beyond.ci) == ("fail", 1.0, (1.0, 1.0))
    assert beyond.reason == "File size is 1.00 MB, where at most 0.50 MB is allowed: beyond it."


def test_the_least_accuracy_is_a_bound_from_below() -> None:
    for least, expected in ((0.9, "pass"), (0.999, "inconclusive")):
        assert found("top1", budgets=Budgets(top1=least)).outcome == expected
    assert re.search(r"about \d{4} more images would settle it", found("top1", budgets=Budgets(top1=0.999)).reason)
    bad = paired([0] * 500, [0] * 500, [0] * 300 + [1] * 200)
    assert found("top1", budgets=Budgets(top1=0.9), seen=bad).outcome == "fail"


def test_milliseconds_of_another_machine_are_shown_and_not_judged() -> None:
    elsewhere = replace(evidence(), elsewhere="Big Xeon")
    budgets = Budgets(latency_p50_ms=1e6, cold_start_ms=1e-6, memory_mb=1e6)
    seen = {each.budget: each for each in judge(elsewhere, budgets)}
    assert {name: each.outcome for name, each in seen.items()} == {
        "latency_ratio": "pass",
        "latency_p50_ms": "inconclusive",
        "cold_start_ms": "inconclusive",
        "memory_mb": "pass",
        "top1_drop": "pass",
    }
    assert seen["latency_p50_ms"].value > 0
    assert "measured by Big Xeon, which is not the target" in seen["latency_p50_ms"].reason
    # No number of launches changes that.
    assert settled(elsewhere, budgets)


def test_a_model_cannot_be_slower_or_worse_than_itself() -> None:
    noisy = evidence((1.3, 0.7, 1.2), accuracy(3, 0, 0), twins=(1.2, 0.8, 1.0), same=True)
    findings = judge(noisy, BUDGETS)
    assert {each.outcome for each in findings} == {"pass"}
    assert all("the baseline itself" in each.reason for each in findings)
    assert {each.value for each in findings} == {1.0, 0.0}
    # What it costs is another question.
    assert {each.budget: each.outcome for each in judge(noisy, Budgets(size_mb=0.5))}["size_mb"] == "fail"


def test_a_model_is_no_faster_and_no_smaller_than_itself_either() -> None:
    noisy = evidence((0.8, 0.7, 0.9), same=True)
    found = {each.budget: each for each in judge(noisy, Budgets(latency_ratio=0.9, size_ratio=0.5))}
    assert (found["latency_ratio"].outcome, found["latency_ratio"].value) == ("fail", 1.0)
    assert found["size_ratio"].outcome == "fail"


def test_a_percentile_of_few_runs_is_not_judged() -> None:
    """Of 8 runs a launch, the 90th percentile is their maximum."""
    slow = Timed(10**7, 10**6, ((10**9, 10**9),) * 4, (), 10**8)
    seen = replace(evidence(), launches=(Launch(dict.fromkeys((BASELINE, TWIN, CANDIDATE), slow), QUIET),) * 3)
    found = {each.budget: each for each in judge(seen, Budgets(latency_p90_ms=2000.0, latency_p50_ms=2000.0))}
    assert found["latency_p50_ms"].outcome == "pass"
    assert found["latency_p90_ms"].outcome == "inconclusive"
    assert found["latency_p90_ms"].reason == "P90 latency: a launch timed 8 runs, and it takes 29 to tell it."
    # An open interval survives its file.
    assert Finding.model_validate_json(found["latency_p90_ms"].model_dump_json()) == found["latency_p90_ms"]


def test_only_what_more_launches_can_settle_is_waited_for() -> None:
    unclear = accuracy(50, 0, 0)
    assert settled(evidence((0.5,) * 3, unclear), BUDGETS)
    assert not settled(evidence((1.0, 1.05, 1.1), unclear), BUDGETS)


def test_the_worst_outcome_wins_and_is_told_first() -> None:
    findings = ordered(judge(evidence((0.5,) * 3, accuracy(400, 40, 5)), BUDGETS))
    assert [each.outcome for each in findings] == ["fail", "pass"]
    with pytest.raises(ValueError, match="nothing to judge"):
        ordered([])


def test_reasons_give_the_numbers_and_the_bound() -> None:
    latency, drop = judge(evidence((1.1, 1.1, 1.1), accuracy(400, 2, 1)), BUDGETS)
    assert latency.reason == (
        "Latency is 1.100 times the baseline's, where at most 1.050 times the baseline's is allowed: beyond it."
    )
    assert drop.reason.startswith("Top-1 drop on 400 images (99.8% to 99.5%) is 0.2 points (95% interval ")
    assert drop.reason.endswith("within the budget of at most 2.0 points.")


def test_inconclusive_says_how_much_more_would_settle_it() -> None:
    assert "times the launches would settle it" in found("latency_ratio", ratios=(1.01, 1.02, 1.03)).reason
    assert "more images would settle it" in found("top1_drop", seen=accuracy(50, 0, 0)).reason
    assert "too few launches" in found("latency_ratio", ratios=(1.0,)).reason


def test_a_noisy_machine_is_named_where_it_kept_the_verdict_open() -> None:
    busy = State(seconds=1.0, others_cores=0.7, steal_share=0.1, throttled_share=0.2, temperature_c=85.0)
    loud = Estimate(1.0, 0.9, 1.1, 0.95)
    unclear = judge(evidence((1.0, 1.05, 1.1)), BUDGETS)
    said = " ".join(reasons(unclear, loud, busy))
    for part in ("could be told apart only beyond 11.1%", "kept 0.7 cores busy", "quota stopped it", "85 °C"):
        assert part in said
    clear = judge(evidence((0.5,) * 3), BUDGETS)
    assert len(reasons(clear, loud, busy)) == len(clear)


def test_an_interval_without_bounds_is_inconclusive() -> None:
    assert outcome(0.0, math.inf, 1.05) == "inconclusive"


def test_every_budget_can_be_judged() -> None:
    names = set(Budgets.model_fields) - {"confidence"}
    assert set(LIMITS) == names
    budgets = Budgets(**dict.fromkeys(names, 0.5))
    assert {each.budget for each in judge(evidence(), budgets)} == names
