"""All contestants in turns, one process each, and what the timings say.

A choice is **not slower** than a peer when the low end of the 95 % interval of choice over peer is at most the high end
of the noise floor's: of the ratio of two processes of the very same model in the same race, or of its reciprocal. A
race whose floor is above `NOISIEST` says nothing.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.quantization.contestant import Contestant
from benchmarks.quantization.images import Pixels
from edgetl.environments.local import local_command
from edgetl.measure.interleave import Samples, interleave
from edgetl.measure.loading import load
from edgetl.measure.statistics import Estimate, latency_ratio, quantile
from edgetl.measure.worker import Worker

TWIN = "twin"
LEAST_ROUNDS = 8
NOISIEST = 1.1


@dataclass(frozen=True)
class Race:
    """The paired timings of a race for ``threads``, by the contestants' names; ``baseline`` ran twice."""

    threads: int
    baseline: str
    samples: Mapping[str, Samples]

    @property
    def noise(self) -> Estimate:
        """The ratio of the two processes of the baseline."""
        return latency_ratio(self.samples[TWIN].blocks, self.samples[self.baseline].blocks)

    @property
    def floor(self) -> float:
        """By which factor two processes of the same model may differ, by the far end of the noise's interval."""
        return max(self.noise.high, 1 / self.noise.low if self.noise.low > 0 else math.inf, 1.0)

    @property
    def noisy(self) -> bool:
        """Whether the machine was too busy for the race to say anything."""
        return self.floor > NOISIEST

    def ratio(self, one: str, other: str) -> Estimate:
        """Return the latency of ``one`` over that of the ``other``."""
        return latency_ratio(self.samples[one].blocks, self.samples[other].blocks)

    def speedup(self, name: str) -> Estimate:
        """Return the latency of the baseline over that of ``name``."""
        return self.ratio(self.baseline, name)

    def not_slower(self, one: str, other: str) -> bool:
        """Return whether ``one`` is not slower than ``other`` beyond the noise floor."""
        return self.ratio(one, other).low <= self.floor

    def milliseconds(self, name: str) -> float:
        """Return the median run."""
        median = quantile(self.samples[name].blocks, 0.5)
        return math.nan if median is None else median.value / 1e6


def race(contestants: Sequence[Contestant], image: Pixels, threads: int, seconds: float) -> Race:
    """Return the race of all ``contestants``, of which the first is the baseline, on one image (1, h, w, 3)."""
    with contextlib.ExitStack() as opened:
        workers: dict[str, Worker] = {}
        entered = [(each.name, each) for each in contestants] + [(TWIN, contestants[0])]
        for name, each in entered:
            workers[name] = worker = opened.enter_context(Worker(local_command()))
            load(worker, each.path, each.provider, each.precision, threads)
            worker.set_input(image)
        samples = interleave(workers, time_budget_s=seconds, min_rounds=LEAST_ROUNDS)
    return Race(threads, contestants[0].name, samples)
