"""Labels beside points, so that none covers another: where there is no room, a label moves up or down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# What a line of text takes, and a letter of it, in pixels at the charts' font size.
HEIGHT, LETTER = 15.0, 6.7
# From a point to its label.
GAP = 12.0
# Not level with it: an interval may stand there.
_STEPS = (-1, 1, -2, 2, -3, 3, -4, 4)


@dataclass(frozen=True)
class Label:
    """Text beside the point at ``x``, ``y`` (pixels from the upper left): it begins there, or ``ends`` there."""

    text: str
    x: float
    y: float
    ends: bool

    def covers(self, other: Label) -> bool:
        """Return whether both take the same room."""
        (left, right), (low, high) = self._across(), other._across()
        return left < high and low < right and abs(self.y - other.y) < HEIGHT

    def holds(self, x: float, y: float) -> bool:
        """Return whether the point ``x``, ``y`` would be written over."""
        left, right = self._across()
        return left - GAP / 2 < x < right + GAP / 2 and abs(self.y - y) < HEIGHT * 0.8

    def _across(self) -> tuple[float, float]:
        wide = LETTER * len(self.text)
        return (self.x - GAP - wide, self.x - GAP) if self.ends else (self.x + GAP, self.x + GAP + wide)


def placed(
    texts: Sequence[tuple[str, float, float]], width: float, taken: Sequence[tuple[float, float]]
) -> list[Label]:
    """Return a label for each (text, x, y) within ``width`` pixels, clear of each other and of the points ``taken``."""
    done: list[Label] = []
    for text, x, y in texts:
        tries = [Label(text, x, y + HEIGHT * step, ends) for step in _STEPS for ends in (False, True)]
        inside = [each for each in tries if _inside(each, width)] or tries[:1]
        free = (
            each
            for each in inside
            if not any(map(each.covers, done)) and not any(each.holds(*point) for point in taken if point != (x, y))
        )
        done.append(next(free, inside[0]))
    return done


def _inside(label: Label, width: float) -> bool:
    left, right = label._across()
    return left >= 0 and right <= width
