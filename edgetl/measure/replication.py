"""Estimates from several launches: the launch is what was repeated, so it is what is counted.

On the log scale launch l gives the candidate's latency c, the baseline's b and that of its twin t, a second process of
the baseline. Each holds a chance of its own: what a process got at its start, of the same variance v for all. Then

    d = c - (b + t) / 2   has the variance 1.5 v around the true log ratio,
    a = t - b             has the variance 2 v around zero, since both are the same model,

and the two are uncorrelated. So the A/A pair is not only shown as the noise floor, it tells v as well: L launches give
v = (sum a^2 / 2 + sum (d - mean d)^2 / 1.5) / (2 L - 1), and mean d +- t(2 L - 1) sqrt(1.5 v / L) is Student's interval
with more than twice the degrees of freedom that the candidate alone would leave, so that launches which agree by luck
are not believed. Where the candidate's scatter more, their own variance is taken, with the L - 1 that it has: simulated
intervals of 95 and 99 % then cover in 94 and 98 % or more, whatever the candidate's own variance. Within a launch d and
a are centres of many rounds (`statistics.log_ratio`), whose chance is part of v.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from edgetl.errors import MeasureError
from edgetl.measure.launches import MIN_LAUNCHES, Launch, Timed
from edgetl.measure.statistics import Estimate, log_ratio

DIFFERENCE_VARIANCE, FLOOR_VARIANCE = 1.5, 2.0


@dataclass(frozen=True)
class Contrast:
    """A launch on the log scale: the candidate against the mean of both baselines, the twin against the baseline."""

    difference: float
    floor: float


def undisturbed(launches: Sequence[Launch], candidate: str, baseline: str, twin: str) -> tuple[Contrast, ...]:
    """Return the contrasts of the latency of undisturbed runs, taken round by round: what a model itself costs."""

    def contrast(launch: Launch) -> Contrast:
        blocks = {name: launch.timed[name].inference for name in (candidate, baseline, twin)}
        first = log_ratio(blocks[candidate], blocks[baseline])
        second = log_ratio(blocks[candidate], blocks[twin])
        return Contrast((first + second) / 2, log_ratio(blocks[twin], blocks[baseline]))

    return tuple(map(contrast, launches))


def contrasts(
    launches: Sequence[Launch], candidate: str, baseline: str, twin: str, statistic: Callable[[Timed], float]
) -> tuple[Contrast, ...]:
    """Return the contrasts of a positive ``statistic`` of a launch, such as its 90th percentile."""

    def contrast(launch: Launch) -> Contrast:
        after, before, again = (math.log(statistic(launch.timed[name])) for name in (candidate, baseline, twin))
        return Contrast(after - (before + again) / 2, again - before)

    return tuple(map(contrast, launches))


def ratio(seen: Sequence[Contrast], *, confidence: float = 0.95) -> Estimate:
    """Return the candidate over the baseline; with fewer than `MIN_LAUNCHES` the interval is (0, inf)."""
    differences, floors = _columns(seen)
    centre = float(np.mean(differences)) if len(differences) else 0.0
    if len(seen) < MIN_LAUNCHES:
        return Estimate(math.exp(centre), 0.0, math.inf, confidence)
    freedom = 2 * len(seen) - 1
    squares = float(np.sum((differences - centre) ** 2)) / DIFFERENCE_VARIANCE
    variance, own = (float(np.sum(floors**2)) / FLOOR_VARIANCE + squares) / freedom, squares / (len(seen) - 1)
    if own > variance:
        variance, freedom = own, len(seen) - 1
    return _estimate(centre, math.sqrt(DIFFERENCE_VARIANCE * variance / len(seen)), freedom, confidence)


def noise_floor(seen: Sequence[Contrast], *, confidence: float = 0.95) -> Estimate:
    """Return the ratio of the baseline's two processes: 1 but for what two processes of one model differ by."""
    _, floors = _columns(seen)
    if len(seen) < MIN_LAUNCHES:
        return Estimate(1.0, 0.0, math.inf, confidence)
    error = float(np.std(floors, ddof=1)) / math.sqrt(len(seen))
    return _estimate(float(np.mean(floors)), error, len(seen) - 1, confidence)


def level(values: Sequence[float], *, confidence: float = 0.95) -> Estimate:
    """Return the mean (geometric) of a positive figure that each launch gave, with Student's interval."""
    logs = np.log(np.asarray(values, np.float64))
    centre = float(np.mean(logs))
    if len(logs) < MIN_LAUNCHES:
        return Estimate(math.exp(centre), 0.0, math.inf, confidence)
    return _estimate(centre, float(np.std(logs, ddof=1)) / math.sqrt(len(logs)), len(logs) - 1, confidence)


def percentile(q: float) -> Callable[[Timed], float]:
    """Return the statistic that is the q-quantile of a launch's inference, in ns."""
    return lambda timed: _quantile([run for block in timed.inference for run in block], q)


def end_to_end(timed: Timed) -> float:
    """Return the median of a launch's times from encoded bytes to the class, in ns."""
    return _quantile([run for block in timed.end_to_end for run in block], 0.5)


def cold_start(timed: Timed) -> float:
    """Return the ns from starting the process to its first logits."""
    return float(timed.cold_start_ns)


def memory(timed: Timed) -> float:
    """Return the most bytes that the process had resident; raises MeasureError where its system does not tell."""
    if not timed.peak_rss_bytes:
        raise MeasureError("This system does not tell how much memory a process had: leave memory out of the budgets.")
    return float(timed.peak_rss_bytes)


def _quantile(values: Sequence[int], q: float) -> float:
    return float(statistics.median(values)) if q == 0.5 else float(np.quantile(values, q, method="inverted_cdf"))


def _columns(seen: Sequence[Contrast]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([each.difference for each in seen]), np.array([each.floor for each in seen])


def _estimate(centre: float, error: float, freedom: int, confidence: float) -> Estimate:
    half = float(scipy.stats.t.ppf((1 + confidence) / 2, freedom)) * error
    return Estimate(math.exp(centre), math.exp(centre - half), math.exp(centre + half), confidence)
