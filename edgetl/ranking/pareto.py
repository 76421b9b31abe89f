"""Which backbones are worth a choice. Pure: nothing is run here.

A backbone is on the front if no other is both at least as accurate and faster. That is said of the figures measured;
each has an interval, and backbones whose intervals overlap are ties.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgetl import pareto
from edgetl.ranking.values import Tried


def front(tried: Iterable[Tried]) -> list[Tried]:
    """Return those that no other beats in one figure and equals in the other, fastest first."""
    return pareto.front(tried, cost=lambda each: each.ratio.value, gain=lambda each: each.accuracy)


def contenders(tried: Iterable[Tried]) -> list[Tried]:
    """Return those that a better measurement of latency could put on the front, fastest first."""
    everyone = sorted(tried, key=lambda each: each.ratio.value)
    return [
        each
        for each in everyone
        if not any(other.accuracy >= each.accuracy and other.ratio.high < each.ratio.low for other in everyone)
    ]


def recommended(tried: Iterable[Tried]) -> Tried:
    """Return the fastest whose accuracy is not provably below the best one: its 95 % interval reaches that.

    It is on the front: what is faster and at least as accurate would be recommended in its place.
    """
    everyone = list(tried)
    best = max(each.accuracy for each in everyone)
    return min(
        (each for each in everyone if each.interval[1] >= best),
        # Of two that are as fast, the more accurate.
        key=lambda each: (each.ratio.value, -each.accuracy),
    )
