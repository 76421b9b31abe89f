"""Verdicts: what fails, what passes, what cannot be told, and that the sentence gives the numbers."""

from __future__ import annotations

import pytest

from edgetl.judge import Finding, combine, judge, judge_accuracy, judge_latency
from edgetl.measure.accuracy import PairedAccuracy, paired
from edgetl.measure.statistics import Estimate, widen
from edgetl.targets import Budgets

BUDGETS = Budgets(latency_ratio=1.05, top1_drop=0.02)


def ratio(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, low, high, 0.95)


def accuracy(images: int, lost: int, won: int) -> PairedAccuracy:
    """A comparison in which only the baseline was right ``lost`` times, only the candidate ``won`` times."""
    labels = [0] * images
    before = [1] * won + [0] * (images - won)
    after = [0] * won + [1] * lost + [0] * (images - won - lost)
    return paired(labels, before, after)


@pytest.mark.parametrize(
    ("estimate", "outcome"),
    [
        (ratio(0.45, 0.44, 0.46), "pass"),
        (ratio(1.02, 1.00, 1.04), "pass"),
        (ratio(1.04, 1.03, 1.05), "pass"),
        (ratio(1.04, 1.02, 1.06), "inconclusive"),
        (ratio(1.09, 1.04, 1.14), "inconclusive"),
        (ratio(1.04, 1.03, 1.049), "pass"),
        (ratio(1.10, 1.06, 1.14), "fail"),
    ],
)
def test_latency_is_judged_by_its_interval(estimate: Estimate, outcome: str) -> None:
    assert judge_latency(estimate, BUDGETS).outcome == outcome


@pytest.mark.parametrize(
    ("images", "lost", "won", "outcome"),
    [
        (400, 0, 0, "pass"),
        (1000, 12, 8, "pass"),
        (50, 0, 0, "inconclusive"),
        (400, 12, 2, "inconclusive"),
        (400, 40, 5, "fail"),
    ],
)
def test_accuracy_is_judged_by_its_interval(images: int, lost: int, won: int, outcome: str) -> None:
    assert judge_accuracy(accuracy(images, lost, won), BUDGETS).outcome == outcome


def test_a_significant_regression_within_the_budget_is_no_failure() -> None:
    """Both bounds above "no change", both below the budget."""
    significant = accuracy(5000, 40, 5)
    assert significant.drop_ci[0] > 0
    assert judge(ratio(1.03, 1.02, 1.04), significant, BUDGETS).outcome == "pass"


def test_no_difference_found_is_no_pass() -> None:
    assert judge(ratio(1.0, 0.8, 1.2), accuracy(400, 0, 0), BUDGETS).outcome == "inconclusive"


def test_the_worst_outcome_wins_and_is_told_first() -> None:
    slow, unsure = ratio(1.2, 1.15, 1.25), ratio(1.05, 1.0, 1.1)
    few, worse, same = accuracy(50, 0, 0), accuracy(400, 40, 5), accuracy(400, 0, 0)
    assert judge(slow, few, BUDGETS).outcome == "fail"
    assert judge(slow, few, BUDGETS).reasons[0].startswith("Latency")
    assert judge(unsure, worse, BUDGETS).outcome == "fail"
    assert judge(unsure, worse, BUDGETS).reasons[0].startswith("Top-1")
    assert judge(unsure, same, BUDGETS).outcome == "inconclusive"
    assert len(judge(unsure, same, BUDGETS).reasons) == 2


def test_combining_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        combine(())
    assert combine((Finding("pass", "fine"),)).outcome == "pass"


def test_reasons_give_the_numbers_and_the_bound() -> None:
    reason = judge_latency(ratio(1.1, 1.06, 1.14), BUDGETS).reason
    assert all(number in reason for number in ("1.100x", "1.060", "1.140", "1.050x", "95%"))
    reason = judge_accuracy(accuracy(400, 40, 5), BUDGETS).reason
    assert all(text in reason for text in ("90.0%", "98.8%", "400 images", "8.8 points", "2.0"))


def test_inconclusive_says_how_much_more_would_settle_it() -> None:
    # Half-width 3 % at a distance of 2 % from the budget: (3/2)^2 times the runs.
    assert "about 3 times the runs" in judge_latency(ratio(1.03, 1.0, 1.061), BUDGETS).reason
    assert "no number of runs" in judge_latency(ratio(1.05, 1.0, 1.1), BUDGETS).reason
    # z^2 / (n + z^2) <= 0.02 from n = 189 on.
    assert "about 139 more images" in judge_accuracy(accuracy(50, 0, 0), BUDGETS).reason
    assert "no number of images" in judge_accuracy(accuracy(100, 4, 2), BUDGETS).reason


def test_too_few_rounds_are_said_to_be_so() -> None:
    finding = judge_latency(Estimate(1.0, 0.0, float("inf"), 0.95), BUDGETS)
    assert finding.outcome == "inconclusive"
    assert "--time-budget" in finding.reason


def test_a_difference_between_two_workers_of_the_baseline_widens_the_interval() -> None:
    latency, noisy = ratio(1.08, 1.06, 1.10), ratio(0.96, 0.94, 0.98)
    assert judge_latency(latency, BUDGETS).outcome == "fail"
    doubted = judge_latency(latency, BUDGETS, floor=noisy)
    assert doubted.outcome == "inconclusive"
    assert "2.0%" in doubted.reason
    wide = widen(latency, noisy)
    assert wide.interval == pytest.approx((1.06 * 0.98, 1.10 / 0.98))
    assert widen(latency, ratio(1.04, 1.02, 1.06)).interval == pytest.approx((1.06 / 1.02, 1.10 * 1.02))


def test_a_floor_that_holds_one_adds_nothing() -> None:
    latency = ratio(1.08, 1.06, 1.10)
    assert widen(latency, ratio(1.0, 0.9, 1.1)) == latency
    assert "Two workers" not in judge_latency(latency, BUDGETS, floor=ratio(1.0, 0.99, 1.01)).reason
