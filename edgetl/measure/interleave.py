"""Timing several variants in turns, so that what disturbs the machine disturbs all of them alike.

A round visits every variant twice, in a random order and then in its reverse (ABBA; with three, CABBAC): a linear drift
over the round then favours nobody. The two visits of a variant are one block. Between its visits a worker waits on a
blocking read and uses no CPU.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

# A visit lasts about this long for the slowest variant. Neighbours on a shared machine come and go within some 100 ms,
# so that visits of 20 ms pair runs of one state: three times as exact there as visits of 60 ms.
VISIT_NS = 20_000_000
MIN_RUNS, MAX_RUNS = 2, 60

# A block of warming up: five runs, fewer of a slow model, which is warm after fewer.
WARM_RUNS, WARM_BLOCK_NS = 5, 100_000_000
WARM_TOLERANCE = 0.02
WARM_PATIENCE = 2
WARM_MAX_BLOCKS = 20
WARM_MAX_SHARE = 0.25


class Timer(Protocol):
    """What can be timed: `measure.worker.Worker`, or a script in a test."""

    def time(self, count: int) -> tuple[int, ...]:
        """Return the ns of each of ``count`` runs, one after another."""


@dataclass(frozen=True)
class Samples:
    """The ns of a variant's runs; block k of every variant belongs to round k."""

    name: str
    blocks: tuple[tuple[int, ...], ...]

    @property
    def rounds(self) -> int:
        """The number of rounds."""
        return len(self.blocks)


Decide = Callable[[Mapping[str, Samples]], bool]


def never(_: Mapping[str, Samples]) -> bool:
    """Decide nothing: sample until the time ends."""
    return False


def interleave(
    timers: Mapping[str, Timer],
    *,
    time_budget_s: float,
    decide: Decide = never,
    seed: int = 0,
    min_rounds: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Samples]:
    """Return the paired samples of every timer, after ``decide`` said enough or ``time_budget_s`` seconds passed.

    ``decide`` is asked after each round. Time spent warming up counts. At least ``min_rounds`` rounds are made whatever
    the time. Every visit makes the same number of runs for every variant, so that low quantiles compare like with like.
    """
    start = clock()
    end, share = start + time_budget_s, WARM_MAX_SHARE * time_budget_s / len(timers)
    # Each has its own share, and what those before it left: none goes cold into the first round for coming last.
    slowest = max(
        warm_up(timer, clock=clock, until=start + number * share) for number, timer in enumerate(timers.values(), 1)
    )
    runs = min(max(VISIT_NS // max(slowest, 1), MIN_RUNS), MAX_RUNS)
    order = list(timers)
    shuffle = random.Random(seed).shuffle  # noqa: S311 (an order, not a secret)
    blocks: dict[str, list[tuple[int, ...]]] = {name: [] for name in timers}
    rounds = 0
    while rounds < min_rounds or clock() < end:
        shuffle(order)
        visits: dict[str, list[int]] = {name: [] for name in timers}
        for name in (*order, *reversed(order)):
            visits[name].extend(timers[name].time(runs))
        for name, visit in visits.items():
            blocks[name].append(tuple(visit))
        rounds += 1
        if rounds >= min_rounds and decide(_samples(blocks)):
            break
    return _samples(blocks)


def warm_up(timer: Timer, *, clock: Callable[[], float] = time.monotonic, until: float = math.inf) -> int:
    """Run until the timer is steady, and return its fastest run in ns.

    Steady means no longer getting faster: two blocks of runs in a row whose fastest run does not undercut the fastest
    so far by more than 2 %. It ends unsteady after 20 blocks, or at clock time ``until`` if three were made; pairing
    absorbs what is left.
    """
    first = timer.time(MIN_RUNS)
    runs = min(max(WARM_BLOCK_NS // max((*first, 1)), MIN_RUNS), WARM_RUNS)
    fastest, stalled = min((*first, *(timer.time(runs - MIN_RUNS) if runs > MIN_RUNS else ()))), 0
    for made in range(1, WARM_MAX_BLOCKS):
        if stalled == WARM_PATIENCE or (made > WARM_PATIENCE and clock() >= until):
            break
        block = min(timer.time(runs))
        stalled = stalled + 1 if block >= (1 - WARM_TOLERANCE) * fastest else 0
        fastest = min(fastest, block)
    return fastest


def _samples(blocks: Mapping[str, list[tuple[int, ...]]]) -> dict[str, Samples]:
    return {name: Samples(name, tuple(rounds)) for name, rounds in blocks.items()}
