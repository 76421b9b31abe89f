"""Measurements and budgets in, a verdict out. Pure: nothing is run, read or written here.

Latency and accuracy are judged alike, each by its confidence interval against its budget:

==============  ==========================================================================================
fail            the whole interval is beyond the budget: a regression, significant *and* larger than allowed
pass            the whole interval is within the budget (non-inferiority, not merely "no difference found")
inconclusive    the interval holds the budget: more runs or images are needed, and how many is said
==============  ==========================================================================================

Fail wins over inconclusive, and inconclusive over pass. The intervals are two-sided at the budgets' confidence, so a
wrong fail and a wrong pass each have at most half of the rest as probability (2.5 % at 95 %), per budget.

The A/A pair, two workers of the baseline itself, is the noise floor. Where its interval excludes a ratio of 1,
processes of one model differ here by more than chance, and a candidate's process may as well: the latency interval is
widened by that proven difference before it is judged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgetl.measure.accuracy import PairedAccuracy, images_needed
from edgetl.measure.statistics import Estimate, widen
from edgetl.targets import Budgets

Outcome = Literal["pass", "fail", "inconclusive"]

# Beyond this, saying how much more would settle it is no help: the ratio sits on the budget.
MAX_TIMES_MORE = 50


@dataclass(frozen=True)
class Finding:
    """The outcome for one budget, and the sentence with its numbers."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True)
class Verdict:
    """The outcome over all budgets, and a reason for each, the deciding ones first."""

    outcome: Outcome
    reasons: tuple[str, ...]


def judge(latency: Estimate, accuracy: PairedAccuracy, budgets: Budgets, *, floor: Estimate | None = None) -> Verdict:
    """Return the verdict on a candidate's latency ratio and paired accuracy within ``budgets``.

    ``floor`` is the latency ratio of the A/A pair.
    """
    return combine((judge_latency(latency, budgets, floor=floor), judge_accuracy(accuracy, budgets)))


def combine(findings: Sequence[Finding]) -> Verdict:
    """Return the worst outcome of ``findings`` with all their reasons; raises ValueError for none."""
    severity: tuple[Outcome, ...] = ("fail", "inconclusive", "pass")
    ordered = sorted(findings, key=lambda finding: severity.index(finding.outcome))
    if not ordered:
        raise ValueError("there is nothing to judge")
    return Verdict(ordered[0].outcome, tuple(finding.reason for finding in ordered))


def outcome(low: float, high: float, budget: float) -> Outcome:
    """Return what the interval from ``low`` to ``high`` of a cost says about its ``budget``."""
    if high <= budget:
        return "pass"
    return "fail" if low > budget else "inconclusive"


def judge_latency(latency: Estimate, budgets: Budgets, *, floor: Estimate | None = None) -> Finding:
    """Return the finding on the candidate's latency over the baseline's."""
    budget = budgets.latency_ratio
    wide = widen(latency, floor)
    result = outcome(wide.low, wide.high, budget)
    if not math.isfinite(wide.high):
        return Finding(result, "Latency: too few rounds were timed to say anything. Allow more with --time-budget.")
    interval = f"{budgets.confidence:.0%} interval {wide.low:.3f} to {wide.high:.3f}"
    numbers = f"Latency is {wide.value:.3f}x the baseline's ({interval})"
    endings: dict[Outcome, str] = {
        "pass": f"within the budget of {budget:.3f}x.",
        "fail": f"slower than the budget of {budget:.3f}x by more than the noise.",
        "inconclusive": f"which cannot be told from the budget of {budget:.3f}x; {_more_runs(wide, budget)}",
    }
    return Finding(result, f"{numbers}, {endings[result]}{_floor_remark(latency, wide)}")


def judge_accuracy(accuracy: PairedAccuracy, budgets: Budgets) -> Finding:
    """Return the finding on the candidate's loss of top-1 on the baseline's images."""
    budget = budgets.top1_drop
    low, high = accuracy.drop_ci
    result = outcome(low, high, budget)
    numbers = (
        f"Top-1 is {accuracy.candidate:.1%} against {accuracy.baseline:.1%} on {accuracy.images} images, a drop of "
        f"{_points(accuracy.drop)} points ({accuracy.confidence:.0%} interval {_points(low)} to {_points(high)})"
    )
    endings: dict[Outcome, str] = {
        "pass": f"within the budget of {_points(budget)}.",
        "fail": f"more than the budget of {_points(budget)} and not by chance.",
        "inconclusive": f"which cannot be told from the budget of {_points(budget)}; {_more_images(accuracy, budget)}",
    }
    return Finding(result, f"{numbers}, {endings[result]}")


def _more_runs(latency: Estimate, budget: float) -> str:
    half = math.log(latency.high / latency.low) / 2
    gap = abs(math.log(budget / latency.value))
    times = (half / gap) ** 2 if gap > 0 else math.inf
    if times > MAX_TIMES_MORE:
        return "it sits on the budget, where no number of runs would settle it."
    return f"about {max(2, math.ceil(times))} times the runs would settle it (--time-budget)."


def _more_images(accuracy: PairedAccuracy, budget: float) -> str:
    total = images_needed(accuracy.lost, accuracy.won, accuracy.images, budget, confidence=accuracy.confidence)
    if total is None:
        return "it sits on the budget, where no number of images would settle it."
    return f"about {total - accuracy.images} more images would settle it."


def _floor_remark(latency: Estimate, wide: Estimate) -> str:
    if wide.high == latency.high:
        return ""
    share = wide.high / latency.high - 1
    return f" Two workers of the baseline itself differed by at least {share:.1%}, which the interval includes."


def _points(share: float) -> str:
    return f"{100 * share + 0.0:.1f}"
