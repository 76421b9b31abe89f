"""The smallest number for which something holds, by as few trials as possible. Pure."""

from __future__ import annotations

from collections.abc import Callable


def fewest(most: int, holds: Callable[[int], bool | None]) -> int | None:
    """Return the smallest of 1 to ``most`` for which ``holds``, if it holds for all larger ones as well.

    Bisection: about log2(``most``) trials. A trial that answers None ends the search with the smallest found so far.
    None where it does not hold for ``most`` either.
    """
    low, found = 0, None
    trial = most
    while trial > low:
        answer = holds(trial)
        if answer is None:
            break
        if answer:
            found = trial
        else:
            low = trial
        if found is None:
            break
        trial = (low + found) // 2
    return found
