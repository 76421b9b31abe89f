"""Intervals for latencies and shares: what a sample of timings supports, and no more.

**Why the ratio is estimated as it is.** Delays on a computer only ever add, so a low quantile of a block of runs stands
for the undisturbed run (Chen and Revels, *Robust benchmarking in noisy environments*, 2016), and blocks of two variants
taken in the same round share the round's clock frequency and neighbours, so their ratio is taken within the round
(Bulej et al., *Duet benchmarking*, ICPE 2020). What is left are log ratios, one a round, with two faults: some are
wild (a neighbour hit one variant's whole block), and neighbours in time resemble each other. A percentile bootstrap of
few rounds is too narrow under both. So the centre is a 20 % trimmed mean with Tukey and McLaughlin's (1963) interval
from the winsorized variance and Student's t (Wilcox, *Robust Estimation*, 4.3); that variance is multiplied, and the
degrees of freedom are divided, by the autocorrelation time of the log ratios' ranks (Geyer's initial positive sequence,
1992), the factor by which dependent rounds carry less than independent ones. Simulated coverage of the 95 % interval
with 8 / 20 / 40 rounds (`tests/measure/test_statistics.py`): 0.97 / 0.97 / 0.95 on a quiet machine, 0.97 / 0.98 / 0.98
beside a neighbour that comes and goes, 0.90 / 0.91 / 0.93 when each process wanders by itself (AR(1), 0.6 a round).
Where a machine changes its speed once, the rounds before and after are worth two, and Student's quantile for so few is
17 and more: then the range of all rounds, the interval of the sign test, is the narrower one, and is taken. Of
launches, whose own number tells the variance, only the centre is wanted: `log_ratio` pairs visits, nearer in time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import scipy
from numpy.typing import NDArray

Blocks = Sequence[Sequence[int]]

LOW_QUANTILE = 0.1
TRIM, VISIT_TRIM = 0.2, 0.3
MIN_ROUNDS = 6
MIN_FREEDOM = 2

# Looks at growing data, and the share of the error probability that each may spend; see `sequential_confidence`.
FIRST_LOOK = 8
LOOK_GROWTH = 1.5
SPENT_PER_LOOK = 0.2


@dataclass(frozen=True)
class Estimate:
    """A value with its confidence interval, both in the value's own unit."""

    value: float
    low: float
    high: float
    confidence: float

    @property
    def interval(self) -> tuple[float, float]:
        """The interval's two ends."""
        return (self.low, self.high)

    @property
    def half_width(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2


def latency_ratio(candidate: Blocks, baseline: Blocks, *, confidence: float = 0.95) -> Estimate:
    """Return the candidate's latency over the baseline's, from blocks that are paired by their position.

    ``candidate[k]`` and ``baseline[k]`` hold the ns of one round. With fewer than `MIN_ROUNDS` rounds the interval is
    (0, inf): nothing is known yet. Raises ValueError when the blocks do not pair up.
    """
    if len(candidate) != len(baseline):
        raise ValueError(f"{len(candidate)} blocks cannot be paired with {len(baseline)}")
    if len(candidate) < MIN_ROUNDS:
        value = _low(sum(map(tuple, candidate), ())) / _low(sum(map(tuple, baseline), ())) if candidate else 1.0
        return Estimate(value, 0.0, math.inf, confidence)
    logs = _logs(candidate, baseline)
    centre, half = _trimmed_interval(logs, confidence)
    low, high = centre - half, centre + half
    # The sign test's interval: that the typical round lies beyond all that were seen has the probability 2^(1 - n).
    if 2.0 ** (1 - len(logs)) <= 1 - confidence:
        # Equal rounds differ from their own mean by its rounding: the interval holds it all the same.
        low, high = min(centre, max(low, float(logs.min()))), max(centre, min(high, float(logs.max())))
    return Estimate(math.exp(centre), math.exp(low), math.exp(high), confidence)


def log_ratio(candidate: Blocks, baseline: Blocks) -> float:
    """Return the logarithm of the candidate's latency over the baseline's, from blocks paired by their position.

    A block holds a round's two visits, and each visit is paired with the other variant's in the same half of the round:
    the nearest in time, so that a neighbour who comes and goes within a round meets both. Where one did not, the log
    ratio is far out; 30 % are trimmed off either end of their mean. Raises ValueError when the blocks do not pair up or
    there are none.
    """
    return float(scipy.stats.trim_mean(_logs(_visits(candidate), _visits(baseline)), VISIT_TRIM))


def widen(latency: Estimate, floor: Estimate | None) -> Estimate:
    """Return the ratio ``latency`` with its interval widened, as a factor, by the difference that ``floor`` proves.

    ``floor`` is the ratio of an A/A pair. While its interval holds 1, processes of one model do not provably differ
    here, and nothing is added.
    """
    if floor is None or floor.low <= 1.0 <= floor.high:
        return latency
    proven = floor.low if floor.low > 1.0 else 1.0 / floor.high
    return replace(latency, low=latency.low / proven, high=latency.high * proven)


def sequential_confidence(rounds: int, confidence: float = 0.95, *, first: int = FIRST_LOOK) -> float:
    """Return the confidence to use for an interval at ``rounds`` rounds, when one looks while data come in.

    ``first`` is after how many the first look is taken; what is counted may as well be launches.

    Stopping at the first look that decides makes an ordinary 95 % interval wrong far more often than in 5 % of
    sessions. Looks are therefore taken only at `is_look` rounds, and look j spends the share 0.2 * 0.8^(j-1) of the
    error probability (Lan and DeMets, *Discrete sequential boundaries*, 1983, with a union bound), so that all looks
    together spend at most all of it. A session that the time ends between two looks spends the next look's share.
    """
    look = next(index for index, at in enumerate(_looks(rounds, first)) if at >= rounds)
    return 1.0 - (1.0 - confidence) * SPENT_PER_LOOK * (1.0 - SPENT_PER_LOOK) ** look


def is_look(rounds: int, *, first: int = FIRST_LOOK) -> bool:
    """Return whether the data may be looked at after this many rounds: 8, 12, 18, 27, 41 ... from ``first`` on."""
    return rounds in _looks(rounds, first)


def quantile(blocks: Blocks, q: float, *, confidence: float = 0.95) -> Estimate | None:
    """Return the q-quantile of all samples with its interval from order statistics, or None.

    The interval's ends are the two samples whose ranks enclose the quantile with probability ``confidence`` under the
    binomial distribution, which assumes nothing of the samples' own (Woodruff, JASA 1952). Samples of a block
    resemble each other, so the binomial gets their effective number: n over the design effect of the share at or
    below the quantile (Korn and Graubard, 1998). None when that number is too small for any pair of ranks: p90 takes
    29 samples, p99 299. Independent samples are blocks of one.
    """
    samples = np.sort(np.concatenate([np.asarray(block, dtype=np.float64) for block in blocks])) if blocks else None
    if samples is None or not len(samples):
        return None
    value = float(np.quantile(samples, q, method="inverted_cdf"))
    effective = math.floor(len(samples) / _design_effect(blocks, value, q))
    ranks = _binomial_ranks(effective, q, confidence)
    if ranks is None:
        return None
    scale = len(samples) / effective
    first = math.floor((ranks[0] - 1) * scale)
    last = math.ceil(ranks[1] * scale) - 1
    return Estimate(value, float(samples[first]), float(samples[min(last, len(samples) - 1)]), confidence)


def samples_for_quantile(q: float, confidence: float = 0.95) -> int:
    """Return how many independent samples an interval of the q-quantile takes: 29 for p90, 299 for p99."""
    count = 1
    while _coverage(count, q) < confidence:
        count += 1
    return count


def wilson(successes: float, trials: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's (1927) score interval of a share; raises ValueError for no trials.

    Its ends are the shares p for which (successes / trials - p)^2 = z^2 p (1 - p) / trials.
    """
    if trials <= 0:
        raise ValueError("a share of no trials has no interval")
    # By the formula, since scipy takes longer to import than a probe to be fitted.
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / trials
    scale = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / scale
    half = z * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2) / scale
    # Rounding must not leave out a share of none or of all.
    return (min(centre - half, share) if successes else 0.0, max(centre + half, share) if successes < trials else 1.0)


def _visits(blocks: Blocks) -> Blocks:
    return [half for block in blocks for half in (block[: len(block) // 2], block[len(block) // 2 :]) if half]


def _logs(candidate: Blocks, baseline: Blocks) -> NDArray[np.float64]:
    if len(candidate) != len(baseline) or not candidate:
        raise ValueError(f"{len(candidate)} blocks cannot be paired with {len(baseline)}")
    return np.array([math.log(_low(c) / _low(b)) for c, b in zip(candidate, baseline, strict=True)])


def _low(block: Sequence[int]) -> float:
    return float(np.quantile(block, LOW_QUANTILE, method="inverted_cdf"))


def _looks(rounds: int, first: int) -> list[int]:
    looks = [first]
    while looks[-1] < rounds:
        looks.append(math.ceil(looks[-1] * LOOK_GROWTH))
    return looks


def _trimmed_interval(values: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    count = len(values)
    kept = count - 2 * int(TRIM * count)
    centre = float(scipy.stats.trim_mean(values, TRIM))
    spread = float(np.std(np.asarray(scipy.stats.mstats.winsorize(values, (TRIM, TRIM))), ddof=1))
    dependence = autocorrelation_time(values)
    error = spread / (kept / count) * math.sqrt(dependence / count)
    freedom = max(MIN_FREEDOM, kept / dependence - 1)
    return centre, float(scipy.stats.t.ppf((1 + confidence) / 2, freedom)) * error


def autocorrelation_time(values: NDArray[np.float64]) -> float:
    """Return by which factor the variance of a mean of this series exceeds that of independent values, at least 1.

    One plus twice the sum of the autocorrelations of the values' ranks (so that a wild value does not hide the rest),
    summed as far as sums of adjacent pairs stay positive (Geyer, *Practical Markov chain Monte Carlo*, 1992). To each
    is added the 1/n that it loses by the mean being estimated from the same values.
    """
    count = len(values)
    ranks = scipy.stats.rankdata(values) - (count + 1) / 2
    variance = float(ranks @ ranks)
    if variance == 0.0:
        return 1.0
    rho = [1.0, *(float(ranks[: count - lag] @ ranks[lag:]) / variance + 1 / count for lag in range(1, count // 2))]
    total = 0.0
    for lag in range(0, len(rho) - 1, 2):
        pair = rho[lag] + rho[lag + 1]
        if pair <= 0:
            break
        total += pair
    return max(1.0, 2 * total - 1)


def _design_effect(blocks: Blocks, value: float, q: float) -> float:
    if len(blocks) < 2 or not 0 < q < 1:
        return 1.0
    sizes = np.array([len(block) for block in blocks], dtype=np.float64)
    below = np.array([np.count_nonzero(np.asarray(block) <= value) for block in blocks], dtype=np.float64)
    total = sizes.sum()
    share = below.sum() / total
    if share in (0.0, 1.0):
        return 1.0
    residual = below - share * sizes
    variance = len(blocks) / (len(blocks) - 1) * float(residual @ residual) / total**2
    effect = variance / (share * (1 - share) / total)
    return float(np.clip(effect, 1.0, sizes.mean()))


def _coverage(count: int, q: float) -> float:
    return 1 - q**count - (1 - q) ** count


def _binomial_ranks(count: int, q: float, confidence: float) -> tuple[int, int] | None:
    """Return 1-based ranks (r, s), as central as possible, with P(r <= Binomial(count, q) < s) >= confidence."""
    if count < 1 or _coverage(count, q) < confidence:
        return None
    binomial = scipy.stats.binom(count, q)
    tail = (1 - confidence) / 2
    first = max(1, int(binomial.ppf(tail)))
    last = min(count, int(binomial.ppf(1 - tail)) + 1)
    while binomial.cdf(last - 1) - binomial.cdf(first - 1) < confidence:
        if last < count:
            last += 1
        else:
            first -= 1
    return first, last
