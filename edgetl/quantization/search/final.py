"""The last phase: the fastest race each other, and only that decides."""

from __future__ import annotations

from dataclasses import replace

from edgetl.quantization.search.field import Field

FINALISTS = 4


def final(field: Field) -> None:
    """Time the fastest of what may be chosen again, all in turns."""
    rivals = [trial for trial in field.trials if field.rules.admit(trial) and trial.ratio < 1]
    finalists = sorted(rivals, key=lambda trial: trial.ratio)[:FINALISTS]
    if not finalists:
        return
    field.progress.step("final race", 0, 1)
    raced = field.contest.race("final", finalists, field.race_seconds(1.0))
    for trial in raced:
        field.add(replace(trial, finalist=True))
    field.progress.step("final race", 1, 1)
