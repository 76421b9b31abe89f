"""What calibration keeps of a tensor's values: little, whatever the number of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgetl.quantization.calibration import entropy, square
from edgetl.recipes import Recipe

Values = NDArray[np.float32]

# Bins on either side of zero. A histogram uses at least a quarter of them, since its bin width goes by powers of two.
BINS = 2048
# Values taken from one tensor of one image for a histogram; its ends are exact all the same.
SAMPLED = 16_384


@dataclass(frozen=True)
class Range:
    """The lowest and the highest value that a tensor's quantization must represent."""

    low: float
    high: float


class Observer(Protocol):
    """Accumulates a tensor's values and gives its range."""

    def observe(self, values: Values) -> None:
        """Take in the values of a batch, of any shape."""

    def range(self) -> Range:
        """Return the range of all that was observed."""


class MinMax:
    """The exact extremes."""

    def __init__(self) -> None:
        self._low, self._high = math.inf, -math.inf

    def observe(self, values: Values) -> None:
        """Take in the values of a batch, or only their extremes."""
        self._low = min(self._low, float(values.min()))
        self._high = max(self._high, float(values.max()))

    def range(self) -> Range:
        """Return the lowest and the highest value."""
        return Range(self._low, self._high)


class Histogram:
    """Counts in equal bins around zero; their width doubles, and bins merge in pairs, when values outgrow them."""

    def __init__(self) -> None:
        self.extremes = MinMax()
        self.width = 0.0
        self.counts = np.zeros(2 * BINS, np.int64)

    def observe(self, values: Values) -> None:
        """Take in the values of a batch; of large ones every n-th, n odd so that all columns have a turn."""
        self.extremes.observe(values)
        flat = values.reshape(-1)
        sample = flat[:: flat.size // (SAMPLED * len(values)) | 1]
        self._widen(float(np.abs(sample).max()))
        if self.width:
            bins = np.floor(sample * np.float32(1 / self.width)).astype(np.int64) + BINS
            self.counts += np.bincount(np.clip(bins, 0, 2 * BINS - 1), minlength=2 * BINS)

    def quantile(self, share: float) -> float:
        """Return the value below which ``share`` of the counted values lie, linear within a bin."""
        if not self.width:
            return 0.0
        below = np.concatenate([[0], np.cumsum(self.counts)])
        position = float(np.interp(share * below[-1], below, np.arange(2 * BINS + 1)))
        return (position - BINS) * self.width

    def _widen(self, largest: float) -> None:
        if largest and not self.width:
            self.width = 2.0 ** math.ceil(math.log2(largest)) / BINS
        while largest > self.width * BINS:
            # Merging towards zero keeps zero the edge between two bins.
            pairs = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.concatenate([np.zeros(BINS // 2, np.int64), pairs, np.zeros(BINS // 2, np.int64)])
            self.width *= 2


class MeanMinMax:
    """The mean over images of each one's extremes: a single odd image moves it little."""

    def __init__(self) -> None:
        self._images, self._lows, self._highs = 0, 0.0, 0.0

    def observe(self, values: Values) -> None:
        """Take in the values of a batch, whose first axis counts the images."""
        images = values.reshape(len(values), -1)
        self._images += len(images)
        self._lows += float(images.min(axis=1).sum(dtype=np.float64))
        self._highs += float(images.max(axis=1).sum(dtype=np.float64))

    def range(self) -> Range:
        """Return the means of the lowest and of the highest values."""
        return Range(self._lows / self._images, self._highs / self._images)


class Entropy:
    """The range whose quantized form keeps the most information, see `entropy`."""

    def __init__(self) -> None:
        self._histogram = Histogram()

    def observe(self, values: Values) -> None:
        """Take in the values of a batch."""
        self._histogram.observe(values)

    def range(self) -> Range:
        """Return the threshold on either side of zero, never outside the extremes."""
        ends = self._histogram.extremes.range()
        reach = entropy.threshold(self._histogram.counts) * self._histogram.width
        return Range(max(-reach, ends.low), min(reach, ends.high))


class MeanSquare:
    """The range with the least mean square error after clipping and rounding, see `square`."""

    def __init__(self, histogram: Histogram | None = None) -> None:
        self._histogram = histogram or Histogram()

    def observe(self, values: Values) -> None:
        """Take in the values of a batch."""
        self._histogram.observe(values)

    def range(self) -> Range:
        """Return the range, never outside the extremes and zero."""
        extremes = self._histogram.extremes.range()
        low, high = min(extremes.low, 0.0), max(extremes.high, 0.0)
        return Range(*square.ends(self._histogram.counts, self._histogram.width, low, high))


class Percentile:
    """The range that holds ``percentile`` percent of the values: half of the rest is cut from either end."""

    def __init__(self, percentile: float, histogram: Histogram | None = None) -> None:
        self._tail = (1 - percentile / 100) / 2
        self._histogram = histogram or Histogram()

    def observe(self, values: Values) -> None:
        """Take in the values of a batch."""
        self._histogram.observe(values)

    def range(self) -> Range:
        """Return the percentiles, never outside the extremes."""
        ends = self._histogram.extremes.range()
        low, high = self._histogram.quantile(self._tail), self._histogram.quantile(1 - self._tail)
        return Range(max(low, ends.low), min(high, ends.high))


class Several:
    """The ranges by several methods from one look at the values, for whoever compares what comes of them."""

    def __init__(self, percentile: float) -> None:
        self._histogram = Histogram()
        self._methods: Mapping[str, Observer] = {
            "mean-square": MeanSquare(self._histogram),
            "minmax": self._histogram.extremes,
            "percentile": Percentile(percentile, self._histogram),
        }

    def observe(self, values: Values) -> None:
        """Take in the values of a batch."""
        self._histogram.observe(values)

    def range(self) -> Range:
        """Return the range of least mean square error."""
        return self.ranges()["mean-square"]

    def ranges(self) -> Mapping[str, Range]:
        """Return the range by each method."""
        return {name: method.range() for name, method in self._methods.items()}


# How each method of `recipes.Recipe` observes a tensor.
METHODS: Mapping[str, Callable[[Recipe], Observer]] = {
    "minmax": lambda _: MinMax(),
    "mean-minmax": lambda _: MeanMinMax(),
    "entropy": lambda _: Entropy(),
    "mean-square": lambda _: MeanSquare(),
    "least-error": lambda recipe: Several(recipe.percentile),
    "percentile": lambda recipe: Percentile(recipe.percentile),
}
