"""Findings as short texts, the same in every report: figures in their units, what was allowed, what decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from edgetl.artifacts import CheckResult, Finding, Interval
from edgetl.measure.state import disturbances
from edgetl.reporting.lines import line

NONE = "–"
# The budgets of which more is better.
LEAST = frozenset({"top1"})
POINTS = "points"

_DECIDED = {"fail": "exceeded", "inconclusive": "undecided", "pass": "kept"}
_HOW_MANY = {1: "the budget is", 2: "both budgets are"}


def headline(result: CheckResult) -> str:
    """Return how many budgets decided the verdict, and which unless all are kept."""
    deciding = [finding for finding in result.findings if finding.outcome == result.verdict]
    count = len(result.findings)
    if result.verdict == "pass":
        return f"{_HOW_MANY.get(count, f'all {count} budgets are')} kept"
    which = ", ".join(dict.fromkeys(line(finding.quantity) for finding in deciding))
    return f"{len(deciding)} of {count} budgets {_DECIDED[result.verdict]}: {which}"


def names(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Return the findings' quantities; those that several budgets are about have the budget's key added."""
    times = Counter(finding.quantity for finding in findings)
    return tuple(
        line(finding.quantity if times[finding.quantity] == 1 else f"{finding.quantity} ({finding.budget})")
        for finding in findings
    )


def figure(value: float, unit: str) -> str:
    """Return a figure without its unit."""
    digits = 3 if unit == "x" else 2
    # Never -0.00.
    return f"{round(value, digits) + 0.0:.{digits}f}"


def measured(finding: Finding) -> str:
    """Return what was judged, with its unit."""
    return f"{figure(finding.value, finding.unit)} {finding.unit}"


def interval(ends: Interval, unit: str) -> str:
    """Return an interval as ``low to high``, and in a word where there is no chance in it."""
    low, high = ends
    return "exact" if low == high else f"{figure(low, unit)} to {figure(high, unit)}"


def allowed(finding: Finding) -> str:
    """Return the limit and on which side of it a figure must be, with its unit."""
    bound = "at least" if finding.budget in LEAST else "at most"
    return f"{bound} {figure(finding.limit, finding.unit)} {finding.unit}"


def side(finding: Finding, value: float | None) -> str:
    """Return the baseline's or the candidate's own figure behind ``finding``, with its unit."""
    if value is None:
        return NONE
    if finding.unit == POINTS:
        return f"{value:.1f} %"
    if finding.unit != "x":
        return f"{figure(value, finding.unit)} {finding.unit}"
    return f"{value:.2f} {'MB' if finding.budget.startswith(('memory', 'size')) else 'ms'}"


def percent(share: float) -> str:
    """Return a share in per cent with one decimal."""
    return f"{100 * share:.1f} %"


def remarks(result: CheckResult) -> tuple[str, ...]:
    """Return what disturbed the machine, and what the verdict's reasons say besides the findings'."""
    told = {finding.reason for finding in result.findings}
    return tuple(
        dict.fromkeys((*(reason for reason in result.reasons if reason not in told), *disturbances(result.state)))
    )


def evidence(result: CheckResult) -> str:
    """Return one sentence on the images: both accuracies, agreement, discordant images and McNemar's test."""
    accuracy = result.accuracy
    if accuracy.labelled_by == "people":
        top1 = f"Top-1 {percent(accuracy.candidate)} against the baseline's {percent(accuracy.baseline)}"
    else:
        top1 = "Nobody labelled the images, so that the baseline's own answers stand for what is right"
    return (
        f"{top1} on {accuracy.images} images, agreement {percent(accuracy.agreement)}; "
        f"{accuracy.lost + accuracy.won} discordant images ({accuracy.lost} lost, {accuracy.won} won), "
        f"exact McNemar p = {accuracy.mcnemar_p:.3g}."
    )


def timing(result: CheckResult) -> str:
    """Return one sentence on the timing: how often processes were started, and how far two of one model differ."""
    low, high = result.noise_floor
    floor = f"the baseline against itself read {low:.3f} to {high:.3f}"
    return f"{result.launches} launches in {result.seconds:.0f} s; {floor}."
