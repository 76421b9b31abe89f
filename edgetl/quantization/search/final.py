"""The last phase: the fastest race each other, and only that decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgetl.quantization.search.choose import is_surely_faster
from edgetl.quantization.search.field import MIN_RACE_S, Field
from edgetl.quantization.search.trial import Trial
from edgetl.quantization.setback import Setback

FINALISTS = 4
# A race that leaves open whether the fastest is faster than fp32 is run again, so often in all while there is time.
RACES = 3


def final(field: Field) -> None:
    """Time the fastest of what may be chosen again, all in turns; the last race counts.

    Of a slow network fewer race, as the time allows; where it allows none, what was seen of each alone decides.
    """
    rivals = [trial for trial in field.trials if field.rules.admit(trial) and trial.ratio < 1]
    finalists = sorted(rivals, key=lambda trial: trial.ratio)[:FINALISTS]
    while finalists and not field.can_race(finalists, field.clock.left):
        finalists.pop()
    for number in range(RACES):
        if not finalists or (number and field.clock.left < max(field.least_race_s(finalists), MIN_RACE_S)):
            return
        field.progress.step("final race", 0, 1)
        finalists = _raced(field, "final" if number == 0 else f"final {number + 1}", finalists)
        for trial in finalists:
            field.add(replace(trial, finalist=True))
        field.progress.step("final race", 1, 1)
        if not _is_open(finalists):
            return


def _raced(field: Field, name: str, finalists: Sequence[Trial]) -> list[Trial]:
    """Return ``finalists`` timed again. One that fails, which ends the race for all, is set back and left out."""
    left = list(finalists)
    while left:
        if raced := field.contest.race(name, left, field.race_seconds(1.0)):
            return raced
        if len(left) > 1 and (raced := field.contest.race(name, left[:1], field.race_seconds(1.0))):
            return raced
        failed = left.pop(0)
        field.add(replace(failed, setback=Setback("rejected", "It failed when it was timed in the final race.")))
    return []


def _is_open(raced: Sequence[Trial]) -> bool:
    """Return whether the fastest may be faster than fp32 and may be not."""
    fastest = min(raced, key=lambda trial: trial.ratio, default=None)
    if fastest is None or fastest.latency is None:
        return False
    return not is_surely_faster(fastest) and fastest.latency.low < 1
