"""Each budget of a target: what is measured against it, and what comes out. Pure: nothing is run, read or written.

All are judged alike, by a confidence interval against the limit:

==============  ==========================================================================================
fail            the whole interval is beyond the limit: a regression, significant *and* larger than allowed
pass            the whole interval is within the limit (non-inferiority, not merely "no difference found")
inconclusive    the interval holds the limit: more runs or images are needed, and how many is said
==============  ==========================================================================================

The intervals are two-sided at the budgets' confidence, so a wrong fail and a wrong pass each have at most half of the
rest as probability (2.5 % at 95 %), per budget.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edgetl.artifacts import Finding, Outcome
from edgetl.gate.evidence import BASELINE, CANDIDATE, TWIN, Evidence
from edgetl.measure import replication
from edgetl.measure.accuracy import ClassDrop, drop_interval, images_needed, images_to_tell
from edgetl.measure.launches import MIN_LAUNCHES, Launch, Timed
from edgetl.measure.statistics import Estimate, samples_for_quantile, sequential_confidence, wilson
from edgetl.targets import Budgets

# Beyond this, saying how much more would settle it is no help: the value sits on the limit.
MAX_TIMES_MORE = 50
SAME = "The candidate is the baseline itself: it cannot be worse, and nothing is gained."

Unit = Literal["x", "ms", "MB", "points"]
# The evidence, the limit and the confidence.
Look = Callable[[Evidence, float, float], "Judged"]
Statistic = Callable[[Timed], float]
MS, MB = 1e6, 1e6


@dataclass(frozen=True)
class Judged:
    """A figure against its limit: both sides' own figures where there are such, and ``more`` that would settle it."""

    estimate: Estimate
    more: str
    baseline: float | None = None
    candidate: float | None = None
    subject: str = ""


@dataclass(frozen=True)
class Limit:
    """How a budget is judged. ``is_timed`` says that more launches narrow it; ``least`` that more is better.

    ``itself`` is what a model has of it against itself by definition, None for what is no comparison.
    """

    quantity: str
    unit: Unit
    look: Look
    is_timed: bool = True
    least: bool = False
    itself: float | None = None

    def is_judged(self, evidence: Evidence) -> bool:
        """Return whether it can be: milliseconds of another machine say nothing of the target's, where ratios do."""
        return self.unit != "ms" or not evidence.elsewhere


def judge(evidence: Evidence, budgets: Budgets) -> tuple[Finding, ...]:
    """Return the finding on each budget that is set."""
    return tuple(
        _finding(name, limit, evidence, getattr(budgets, name), budgets.confidence)
        for name, limit in LIMITS.items()
        if getattr(budgets, name) is not None
    )


def settled(evidence: Evidence, budgets: Budgets) -> bool:
    """Return whether more launches could change no finding that is not clear yet."""
    return all(
        finding.outcome != "inconclusive"
        for finding in judge(evidence, budgets)
        if LIMITS[finding.budget].is_timed and LIMITS[finding.budget].is_judged(evidence)
    )


def is_asked(budgets: Budgets, *names: str) -> bool:
    """Return whether any of the budgets called ``names`` is set."""
    return any(getattr(budgets, name) is not None for name in names)


def runs_wanted(budgets: Budgets) -> int:
    """Return how many runs a launch must time for the percentiles that ``budgets`` limit; 0 where any number does."""
    asked = is_asked(budgets, "latency_p90_ratio", "latency_p90_ms")
    return samples_for_quantile(0.9) if asked else 0


def outcome(low: float, high: float, limit: float) -> Outcome:
    """Return what the interval from ``low`` to ``high`` of a cost says about its ``limit``."""
    if high <= limit:
        return "pass"
    return "fail" if low > limit else "inconclusive"


def _finding(name: str, limit: Limit, evidence: Evidence, allowed: float, confidence: float) -> Finding:
    judged = limit.look(evidence, allowed, confidence)
    # No number of images or runs proves what holds by definition.
    itself = limit.itself if evidence.same else None
    if itself is not None:
        judged = replace(judged, estimate=_exactly(itself, confidence))
    low, high = judged.estimate.interval
    result = outcome(-high, -low, -allowed) if limit.least else outcome(low, high, allowed)
    if not limit.is_judged(evidence):
        stranger = f"measured by {evidence.elsewhere}, which is not the target: name a device (--on ssh://user@host)."
        result, judged = "inconclusive", replace(judged, more=stranger)
    scale = 100 if limit.unit == "points" else 1
    before, after = (None if each is None else scale * each for each in (judged.baseline, judged.candidate))
    return Finding(
        budget=name,
        quantity=limit.quantity,
        outcome=result,
        value=scale * judged.estimate.value,
        ci=(scale * low, scale * high),
        limit=scale * allowed,
        unit=limit.unit,
        baseline=before,
        candidate=after,
        reason=_sentence(limit, judged, result, allowed, confidence, known=itself is not None),
    )


def _sentence(limit: Limit, judged: Judged, result: Outcome, allowed: float, confidence: float, *, known: bool) -> str:
    if known and result == "pass":
        return f"{limit.quantity[:1].upper()}{limit.quantity[1:]}: {SAME}"
    low, high = judged.estimate.interval
    if not math.isfinite(high):
        return f"{limit.quantity[:1].upper()}{limit.quantity[1:]}: {judged.more}"
    show = _SHOW[limit.unit]
    interval = "" if low == high else f" ({confidence:.0%} interval {show(low)} to {show(high)})"
    name = f"{limit.quantity}{judged.subject}"
    bound = "at least" if limit.least else "at most"
    numbers = f"{name[:1].upper()}{name[1:]} is {show(judged.estimate.value)}{_UNIT[limit.unit]}{interval}"
    beyond = "short of it" if limit.least else "beyond it"
    certainty = "" if low == high else " by more than chance"
    endings: dict[Outcome, str] = {
        "pass": f"within the budget of {bound} {show(allowed)}{_UNIT[limit.unit]}.",
        "fail": f"where {bound} {show(allowed)}{_UNIT[limit.unit]} is allowed: {beyond}{certainty}.",
        "inconclusive": f"which cannot be told from the budget of {show(allowed)}{_UNIT[limit.unit]}; {judged.more}",
    }
    return f"{numbers}, {endings[result]}"


_SHOW: Mapping[str, Callable[[float], str]] = {
    "x": lambda value: f"{value:.3f}",
    "ms": lambda value: f"{value:.2f}",
    "MB": lambda value: f"{value:.2f}",
    "points": lambda value: f"{100 * value + 0.0:.1f}",
}
_UNIT = {"x": " times the baseline's", "ms": " ms", "MB": " MB", "points": " points"}


def _timed_ratio(
    contrasts: Callable[[Sequence[Launch]], tuple[replication.Contrast, ...]], statistic: Statistic, scale: float
) -> Callable[[Evidence, float, float], Judged]:
    def look(evidence: Evidence, allowed: float, confidence: float) -> Judged:
        launches = evidence.launches
        level = sequential_confidence(len(launches), confidence, first=MIN_LAUNCHES)
        estimate = replication.ratio(contrasts(launches), confidence=level)
        before, after = (
            replication.level([statistic(launch.timed[role]) / scale for launch in launches]).value
            for role in (BASELINE, CANDIDATE)
        )
        return Judged(estimate, _more_launches(estimate, allowed), before, after)

    return look


def _timed_level(statistic: Statistic, scale: float) -> Callable[[Evidence, float, float], Judged]:
    def look(evidence: Evidence, allowed: float, confidence: float) -> Judged:
        level = sequential_confidence(len(evidence.launches), confidence, first=MIN_LAUNCHES)
        values = [statistic(launch.timed[CANDIDATE]) / scale for launch in evidence.launches]
        estimate = replication.level(values, confidence=level)
        return Judged(estimate, _more_launches(estimate, allowed), candidate=estimate.value)

    return look


def _supported(q: float, look: Look) -> Look:
    """Return ``look`` for a q-quantile, open where a launch has too few runs to have one."""
    least = samples_for_quantile(q)

    def supported(evidence: Evidence, allowed: float, confidence: float) -> Judged:
        judged = look(evidence, allowed, confidence)
        runs = min(sum(map(len, each.inference)) for launch in evidence.launches for each in launch.timed.values())
        if runs >= least:
            return judged
        unknown = Estimate(judged.estimate.value, 0.0, math.inf, confidence)
        return replace(judged, estimate=unknown, more=f"a launch timed {runs} runs, and it takes {least} to tell it.")

    return supported


def _each(statistic: Statistic) -> Callable[[Sequence[Launch]], tuple[replication.Contrast, ...]]:
    return lambda launches: replication.contrasts(launches, CANDIDATE, BASELINE, TWIN, statistic)


def _undisturbed(launches: Sequence[Launch]) -> tuple[replication.Contrast, ...]:
    return replication.undisturbed(launches, CANDIDATE, BASELINE, TWIN)


def _size_ratio(evidence: Evidence, _allowed: float, confidence: float) -> Judged:
    before, after = (size / MB for size in evidence.size_bytes)
    return Judged(_exactly(after / before, confidence), "", before, after)


def _size(evidence: Evidence, _allowed: float, confidence: float) -> Judged:
    return Judged(_exactly(evidence.size_bytes[1] / MB, confidence), "", candidate=evidence.size_bytes[1] / MB)


def _top1_drop(evidence: Evidence, allowed: float, confidence: float) -> Judged:
    accuracy = evidence.accuracy
    needed = images_needed(accuracy.lost, accuracy.won, accuracy.images, allowed, confidence=confidence)
    estimate = Estimate(accuracy.drop, *accuracy.drop_ci, confidence)
    return Judged(
        estimate,
        _more_images(None if needed is None else needed - accuracy.images),
        accuracy.baseline,
        accuracy.candidate,
        f" on {accuracy.images} images ({accuracy.baseline:.1%} to {accuracy.candidate:.1%})",
    )


def _top1(evidence: Evidence, allowed: float, confidence: float) -> Judged:
    accuracy = evidence.accuracy
    low, high = wilson(round(accuracy.candidate * accuracy.images), accuracy.images, confidence=confidence)
    needed = images_to_tell(accuracy.candidate, accuracy.images, allowed, confidence=confidence)
    return Judged(
        Estimate(accuracy.candidate, low, high, confidence),
        _more_images(None if needed is None else needed - accuracy.images),
        accuracy.baseline,
        accuracy.candidate,
    )


def _worst_class_drop(evidence: Evidence, allowed: float, confidence: float) -> Judged:
    """Judge the worst class.

    That all classes are within their limit needs no correction for their number (each is tested at its level, and all
    must pass); that one of them is beyond it does: the worst of many is bad by chance, so its low end is Bonferroni's.
    """
    classes = evidence.accuracy.classes
    strict = 1 - (1 - confidence) / len(classes)

    def interval(each: ClassDrop, level: float) -> tuple[float, float]:
        return drop_interval(each.lost, each.won, each.images, confidence=level)

    beyond = [each for each in classes if interval(each, strict)[0] > allowed]
    worst = beyond[0] if beyond else max(classes, key=lambda each: interval(each, confidence)[1])
    estimate = Estimate(worst.drop, interval(worst, strict)[0], interval(worst, confidence)[1], confidence)
    level = strict if worst.drop > allowed else confidence
    needed = images_needed(worst.lost, worst.won, worst.images, allowed, confidence=level)
    more = _more_images(None if needed is None else needed - worst.images)
    name = evidence.classes[worst.label]
    return Judged(
        estimate,
        f"{more.rstrip('.')} (of that class).",
        worst.baseline,
        worst.candidate,
        f", '{name}', on its {worst.images} images ({worst.baseline:.1%} to {worst.candidate:.1%})",
    )


def _exactly(value: float, confidence: float) -> Estimate:
    return Estimate(value, value, value, confidence)


def _more_launches(estimate: Estimate, allowed: float) -> str:
    if not (estimate.low > 0 and math.isfinite(estimate.high)):
        return "too few launches were timed to say anything (--time-budget)."
    half = math.log(estimate.high / estimate.low) / 2
    gap = abs(math.log(allowed / estimate.value))
    times = (half / gap) ** 2 if gap > 0 else math.inf
    if times > MAX_TIMES_MORE:
        return "it sits on the budget, where no number of launches would settle it."
    return f"about {max(2, math.ceil(times))} times the launches would settle it (--time-budget)."


def _more_images(missing: int | None) -> str:
    if missing is None:
        return "it sits on the budget, where no number of images would settle it."
    return f"about {missing} more images would settle it."


_P50, _P90 = replication.percentile(0.5), replication.percentile(0.9)

# One line a budget, by its key in the target files.
LIMITS: Mapping[str, Limit] = {
    "latency_ratio": Limit("latency", "x", _timed_ratio(_undisturbed, _P50, MS), itself=1.0),
    "latency_p50_ratio": Limit("p50 latency", "x", _timed_ratio(_each(_P50), _P50, MS), itself=1.0),
    "latency_p50_ms": Limit("p50 latency", "ms", _timed_level(_P50, MS)),
    "latency_p90_ratio": Limit("p90 latency", "x", _supported(0.9, _timed_ratio(_each(_P90), _P90, MS)), itself=1.0),
    "latency_p90_ms": Limit("p90 latency", "ms", _supported(0.9, _timed_level(_P90, MS))),
    "end_to_end_ratio": Limit(
        "end-to-end time", "x", _timed_ratio(_each(replication.end_to_end), replication.end_to_end, MS), itself=1.0
    ),
    "end_to_end_ms": Limit("end-to-end time", "ms", _timed_level(replication.end_to_end, MS)),
    "cold_start_ratio": Limit(
        "cold start", "x", _timed_ratio(_each(replication.cold_start), replication.cold_start, MS), itself=1.0
    ),
    "cold_start_ms": Limit("cold start", "ms", _timed_level(replication.cold_start, MS)),
    "memory_ratio": Limit(
        "peak memory", "x", _timed_ratio(_each(replication.memory), replication.memory, MB), itself=1.0
    ),
    "memory_mb": Limit("peak memory", "MB", _timed_level(replication.memory, MB)),
    "size_ratio": Limit("file size", "x", _size_ratio, is_timed=False, itself=1.0),
    "size_mb": Limit("file size", "MB", _size, is_timed=False),
    "top1_drop": Limit("top-1 drop", "points", _top1_drop, is_timed=False, itself=0.0),
    "top1": Limit("top-1", "points", _top1, is_timed=False, least=True),
    "worst_class_drop": Limit("top-1 drop of the worst class", "points", _worst_class_drop, is_timed=False, itself=0.0),
}
