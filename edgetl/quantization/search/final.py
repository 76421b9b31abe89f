"""The last phase: the fastest race each other, and only that decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgetl.quantization.search.choose import is_surely_faster
from edgetl.quantization.search.field import Field
from edgetl.quantization.search.trial import Trial

FINALISTS = 4
# A race that leaves open whether the fastest is faster than fp32 is run again, so often in all while there is time.
RACES = 3


def final(field: Field) -> None:
    """Time the fastest of what may be chosen again, all in turns; the last race counts."""
    rivals = [trial for trial in field.trials if field.rules.admit(trial) and trial.ratio < 1]
    finalists = sorted(rivals, key=lambda trial: trial.ratio)[:FINALISTS]
    if not finalists:
        return
    for number in range(RACES):
        field.progress.step("final race", 0, 1)
        name = "final" if number == 0 else f"final {number + 1}"
        raced = field.contest.race(name, finalists, field.race_seconds(1.0))
        for trial in raced:
            field.add(replace(trial, finalist=True))
        field.progress.step("final race", 1, 1)
        if not _is_open(raced) or field.clock.left < field.race_seconds(1.0):
            return


def _is_open(raced: Sequence[Trial]) -> bool:
    """Return whether the fastest may be faster than fp32 and may be not."""
    fastest = min(raced, key=lambda trial: trial.ratio, default=None)
    if fastest is None or fastest.latency is None:
        return False
    return not is_surely_faster(fastest) and fastest.latency.low < 1
