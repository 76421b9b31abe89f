"""Paired accuracy: what a candidate loses on the very images that the baseline was judged on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from edgetl.measure.statistics import wilson

MAX_IMAGES = 1_000_000

Pixels = NDArray[np.uint8]
Predictions = NDArray[np.int64]
Labels = ArrayLike


@dataclass(frozen=True)
class ClassDrop:
    """How a class fares: of its ``images`` the baseline alone had ``lost`` right, the candidate alone ``won``.

    ``baseline`` is the baseline's share of them right, as a fraction.
    """

    label: int
    images: int
    baseline: float
    lost: int
    won: int

    @property
    def drop(self) -> float:
        """The baseline's share of its images right minus the candidate's."""
        return (self.lost - self.won) / self.images

    @property
    def candidate(self) -> float:
        """The candidate's share of its images right."""
        return self.baseline - self.drop


@dataclass(frozen=True)
class PairedAccuracy:
    """Two classifiers on the same images. All but counts are fractions.

    ``lost`` images only the baseline had right, ``won`` only the candidate; ``drop`` is baseline minus candidate top-1,
    ``drop_ci`` `drop_interval` at ``confidence``, ``mcnemar_p`` the exact two-sided probability of so uneven a split.
    ``flips`` are the indices of images whose predicted class changed; ``classes`` stand from the largest drop on.
    """

    images: int
    baseline: float
    candidate: float
    lost: int
    won: int
    drop: float
    drop_ci: tuple[float, float]
    confidence: float
    mcnemar_p: float
    agreement: float
    flips: tuple[int, ...]
    classes: tuple[ClassDrop, ...]


def predictions(logits: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the top-1 class of each row of ``logits`` (images, classes), int64."""
    return np.asarray(np.argmax(logits, axis=1), dtype=np.int64)


def paired(labels: ArrayLike, baseline: ArrayLike, candidate: ArrayLike, *, confidence: float = 0.95) -> PairedAccuracy:
    """Return the paired comparison of two classifiers by their predicted classes.

    All three arrays are (images,) of class indices. Raises ValueError for no images or arrays of different lengths.
    """
    truth, before, after = (np.asarray(array) for array in (labels, baseline, candidate))
    if not len(truth) or not truth.shape == before.shape == after.shape:
        raise ValueError(
            f"labels {truth.shape}, baseline {before.shape} and candidate {after.shape} must be one length"
        )
    count = len(truth)
    right_before, right_after = before == truth, after == truth
    lost = int(np.count_nonzero(right_before & ~right_after))
    won = int(np.count_nonzero(~right_before & right_after))
    flips = tuple(int(index) for index in np.flatnonzero(before != after))
    return PairedAccuracy(
        images=count,
        baseline=float(np.mean(right_before)),
        candidate=float(np.mean(right_after)),
        lost=lost,
        won=won,
        drop=(lost - won) / count,
        drop_ci=drop_interval(lost, won, count, confidence=confidence),
        confidence=confidence,
        mcnemar_p=mcnemar(lost, won),
        agreement=1 - len(flips) / count,
        flips=flips,
        classes=_classes(truth, right_before, right_after),
    )


def mcnemar(lost: int, won: int) -> float:
    """Return McNemar's exact two-sided p: how likely so uneven a split of the discordant images is by chance."""
    return float(scipy.stats.binomtest(lost, lost + won).pvalue) if lost + won else 1.0


def drop_interval(lost: int, won: int, images: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval that a drop (lost - won) / images is judged by: Tango's, wider where the score is skewed.

    Where nearly all discordant images are losses, the score's distribution leans to one side, and Tango's lower end
    lies above the true drop in up to 4.4 % of cases where 2.5 % are promised. Its quantiles are therefore shifted by
    the first term of the Cornish-Fisher expansion, skewness (z^2 - 1) / 6, as Gart and Nam do for score intervals
    (*Biometrics* 46, 1990), and only where that widens the interval. Raises ValueError for impossible counts.
    """
    return _interval(lost, won, images, confidence, is_skewed=True)


def tango_interval(lost: int, won: int, images: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the score interval of the paired difference (lost - won) / images, within [-1, 1].

    Tango, *Equivalence test and confidence interval for the difference in proportions for the paired-sample design*,
    Statistics in Medicine 17 (1998): the differences that a score test does not reject, with the nuisance
    probability at its restricted maximum likelihood. It keeps its coverage where discordant images are few or none,
    where Wald's interval collapses to a point. Raises ValueError for impossible counts.
    """
    return _interval(lost, won, images, confidence, is_skewed=False)


def images_needed(lost: int, won: int, images: int, limit: float, *, confidence: float = 0.95) -> int | None:
    """Return how many images in all would put the drop's interval on one side of ``limit``, at the rates seen so far.

    None when even a million would not: the drop seen is (nearly) the limit itself.
    """

    def settled(total: int) -> bool:
        low, high = drop_interval(*_at_rates(lost, won, images, total), total, confidence=confidence)
        return high <= limit or low > limit

    return _fewest(images, settled)


def drop_bound(lost: int, won: int, images: int, *, confidence: float = 0.95) -> float:
    """Return the largest drop that is not refuted: the one-sided upper confidence bound of (lost - won) / images.

    A candidate is not inferior to its baseline by more than a margin when this bound lies below the margin. It is the
    upper end of Tango's interval that leaves out 1 - ``confidence`` on that side alone.
    """
    return tango_interval(lost, won, images, confidence=2 * confidence - 1)[1]


def images_to_prove(lost: int, won: int, images: int, limit: float, *, confidence: float = 0.95) -> int | None:
    """Return how many images in all would bring `drop_bound` to ``limit``, at the rates seen so far.

    None when even a million would not: the drop seen is not below the limit.
    """

    def proven(total: int) -> bool:
        return drop_bound(*_at_rates(lost, won, images, total), total, confidence=confidence) <= limit

    return _fewest(images, proven)


def images_to_tell(top1: float, images: int, least: float, *, confidence: float = 0.95) -> int | None:
    """Return how many images in all would put Wilson's interval of ``top1`` on one side of ``least``.

    None when even a million would not: what is seen is (nearly) the least.
    """

    def told(total: int) -> bool:
        low, high = wilson(round(top1 * total), total, confidence=confidence)
        return low >= least or high < least

    return _fewest(images, told)


def _at_rates(lost: int, won: int, images: int, total: int) -> tuple[int, int]:
    """Return how many of ``total`` images would be lost and won at those rates, whole ones and no more than all."""
    more = round(lost * total / images)
    return more, min(round(won * total / images), total - more)


def _fewest(images: int, enough: Callable[[int], bool]) -> int | None:
    """Return the number of images from ``images`` on that is ``enough``, within one per cent; None beyond a million."""
    high = images
    while not enough(high):
        if high >= MAX_IMAGES:
            return None
        high = min(high * 2, MAX_IMAGES)
    low = images if high == images else high // 2
    while high - low > max(1, high // 100):
        middle = (high + low) // 2
        high, low = (middle, low) if enough(middle) else (high, middle)
    return high


def _interval(lost: int, won: int, images: int, confidence: float, *, is_skewed: bool) -> tuple[float, float]:
    if min(lost, won) < 0 or images <= 0 or lost + won > images:
        raise ValueError(f"{lost} lost and {won} won of {images} images is impossible")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    shift = (z * z - 1) / 6 if is_skewed else 0.0
    difference = (lost - won) / images

    def low_end(delta: float) -> float:
        score, skewness = _score(lost, won, images, delta)
        return min(score, score - shift * skewness) - z

    def high_end(delta: float) -> float:
        score, skewness = _score(lost, won, images, delta)
        return max(score, score - shift * skewness) + z

    low = -1.0 if difference <= -1.0 else float(scipy.optimize.brentq(low_end, -1.0, difference))
    high = 1.0 if difference >= 1.0 else float(scipy.optimize.brentq(high_end, difference, 1.0))
    return (low, high)


def _score(lost: int, won: int, images: int, delta: float) -> tuple[float, float]:
    """Return Tango's score statistic of the hypothesis that the difference is ``delta``, and its skewness then."""
    a = 2 * images
    b = -lost - won + (2 * images - lost + won) * delta
    c = -won * delta * (1 - delta)
    nuisance = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    discordant = 2 * nuisance + delta
    variance = discordant - delta * delta
    gap = lost - won - images * delta
    if variance <= 0:
        return (0.0 if gap == 0 else math.copysign(math.inf, gap), 0.0)
    # The third central moment of what one image adds: 1 where lost, -1 where won, else 0.
    third = delta - 3 * delta * discordant + 2 * delta**3
    return gap / math.sqrt(images * variance), third / variance**1.5 / math.sqrt(images)


def _classes(
    truth: NDArray[np.int64], right_before: NDArray[np.bool_], right_after: NDArray[np.bool_]
) -> tuple[ClassDrop, ...]:
    drops = []
    for label in np.unique(truth):
        members = truth == label
        before, after = right_before[members], right_after[members]
        lost, won = int(np.count_nonzero(before & ~after)), int(np.count_nonzero(~before & after))
        drops.append(ClassDrop(int(label), len(before), float(np.mean(before)), lost, won))
    return tuple(sorted(drops, key=lambda each: -each.drop))
