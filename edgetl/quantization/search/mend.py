"""The second phase: where a recipe loses too much, the parts that lose most stay in float, as few as will do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from edgetl.quantization.pairs import Group, in_float
from edgetl.quantization.search.fewest import fewest
from edgetl.quantization.search.field import Field, variant, with_file
from edgetl.quantization.search.sensitivity import distances, ranked
from edgetl.quantization.search.trial import Trial
from edgetl.quantization.setback import Setback

# Only what is this much faster than the best so far is worth it: float parts slow it down.
WORTH = 0.95
MOST_MENDED = 2
# How many images the error is taken on, and what part of the time left ranking and then bisecting may take.
IMAGES, RANKING_SHARE, BISECTING_SHARE = 32, 0.35, 0.7
# Leaving more than this part of a network in float is no quantization any more.
MOST_FLOAT = 0.6


def mend(field: Field) -> None:
    """Add, for the fastest candidates that lose too much, the one with the fewest parts in float that keeps enough."""
    # Not those that a hopeless candidate was shown, but all that there are.
    if not field.rules.can_admit(len(field.contest.ground.pixels)):
        return
    for trial in _worth_mending(field)[:MOST_MENDED]:
        if field.clock.left <= 0 or trial.ratio > WORTH * field.best():
            return
        _mend(field, trial)


def _worth_mending(field: Field) -> list[Trial]:
    fast = [
        trial
        for trial in field.able
        if trial.recipe is not None
        and trial.accuracy is not None
        and trial.ratio < 1
        and field.workshop.can_be_taken_apart(trial.recipe)
        and not field.rules.admit(trial)
    ]
    return sorted(fast, key=lambda trial: trial.ratio)


def _mend(field: Field, trial: Trial) -> None:
    assert trial.recipe is not None
    parts = field.workshop.taken_apart(trial.recipe)
    pixels = field.calibration_pixels(IMAGES)
    errors = distances(*parts, pixels, field.clock.share(RANKING_SHARE), field.progress)
    order = ranked(errors)
    bisecting_until = field.clock.share(BISECTING_SHARE)
    tried: dict[int, Trial] = {}

    def holds(count: int) -> bool | None:
        if time.monotonic() >= bisecting_until:
            return None
        field.progress.step("leave parts in float", len(tried), len(tried) + 1)
        tried[count] = field.add(field.contest.judge(_with_float(field, trial, order[:count])))
        return field.rules.admit(tried[count])

    found = fewest(int(MOST_FLOAT * len(order)), holds)
    field.progress.step("leave parts in float", len(tried), len(tried))
    if found is not None:
        _set_aside(field, [each for count, each in tried.items() if count > found], tried[found])
        # Its accuracy is known: only how fast it is is not, and untimed it could not be chosen. So this is done even
        # where judging took longer than it should.
        for timed in field.contest.race(tried[found].name, [tried[found]], field.race_seconds(0.3)):
            field.add(timed)


def _set_aside(field: Field, trials: Sequence[Trial], found: Trial) -> None:
    """Say of ``trials`` that they have more parts in float than ``found``, which will do."""
    for trial in trials:
        reason = f"It was not needed: {found.name} has fewer parts in float, and keeps its accuracy."
        field.add(replace(trial, setback=Setback("skipped", reason)))


def _with_float(field: Field, trial: Trial, worst: Sequence[Group]) -> Trial:
    assert trial.recipe is not None
    names = [name for group in worst for name in group]
    mended = variant(trial, f"float{len(worst)}", names)
    assert mended.recipe is not None
    quantized, model = field.workshop.taken_apart(trial.recipe)
    return with_file(mended, field.workshop.put(mended.recipe, in_float(quantized, model, names)))
