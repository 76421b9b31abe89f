"""What no other beats: the front of a trade-off between a cost and a gain."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def front(items: Iterable[T], *, cost: Callable[[T], float], gain: Callable[[T], float]) -> list[T]:
    """Return those that no other beats in one figure and equals in the other, the cheapest first."""
    everyone = sorted(items, key=cost)

    def beaten(one: T) -> bool:
        return any(
            cost(other) <= cost(one)
            and gain(other) >= gain(one)
            and (cost(other), gain(other)) != (cost(one), gain(one))
            for other in everyone
        )

    return [one for one in everyone if not beaten(one)]
