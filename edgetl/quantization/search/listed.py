"""The first phase: the candidates that a target lists, in its order, which is cheapest first."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgetl import recipes
from edgetl.quantization.search.field import Field, with_file
from edgetl.quantization.search.trial import Trial
from edgetl.quantization.setback import Setback
from edgetl.targets import TargetCandidate

# What the phases after it are left of the time: mending, mixing and the final race.
SHARE = 0.7
# Of a file that is made already, another engine's time costs only seconds: until this part has passed.
MADE_SHARE = 0.9
# A file is begun to be made where this part of the time that the longest candidate took is left.
SURE_OF = 0.5
MAX_GLANCE_S = 3.0
# Latencies of which the larger is at most this many times the smaller are alike: accuracy is then worth no more tries.
ALIKE = 1.05


def try_listed(field: Field, model: Path, candidates: Sequence[TargetCandidate]) -> None:
    """Try each of ``candidates``; one that the time does not reach is listed as such. ``model`` is the fp32 file."""
    end, late, longest = field.clock.share(SHARE), field.clock.share(MADE_SHARE), 0.0
    for index, candidate in enumerate(candidates):
        field.progress.step("try candidates", index, len(candidates))
        recipe = recipes.load(candidate.recipe) if candidate.recipe else None
        trial = Trial(candidate, recipe=recipe)
        refusal = field.workshop.refusal(recipe) if recipe else None
        if (hopeless := refusal or field.contest.closed or _same_fate(field, candidate)) is not None:
            field.add(replace(trial, setback=hopeless))
            continue
        if (sooner := _sooner(field, candidate)) is not None:
            reason = f"It was not needed: {sooner.name} is as fast as it should be, and keeps its accuracy."
            field.add(replace(trial, setback=Setback("skipped", reason)))
            continue
        start = time.monotonic()
        made = recipe is None or field.workshop.has(recipe)
        left = (late if made else end) - start
        if left <= 0 or not field.can_race([trial], left) or (not made and left < SURE_OF * longest):
            field.add(trial)
            continue
        try:
            trial = with_file(trial, field.workshop.make(recipe, field.making_end) if recipe else model)
        except TimeoutError:
            field.add(trial)
            continue
        seconds = field.race_seconds(left / max(field.clock.left, left) / (len(candidates) - index))
        # Only what may be chosen is timed longer, side by side, in the end.
        field.add(field.contest.try_out(trial, min(seconds, MAX_GLANCE_S), field.best()))
        longest = max(longest, time.monotonic() - start)
    field.progress.step("try candidates", len(candidates), len(candidates))


def _same_fate(field: Field, candidate: TargetCandidate) -> Setback | None:
    """Return why what ``candidate`` is instead of cannot run here, if so: then it cannot either."""
    replaced = (candidate.provider, candidate.instead_of)
    gone = [each.setback for each in field.trials if (each.candidate.provider, each.candidate.recipe) == replaced]
    return next((each for each in gone if candidate.instead_of and each and each.status == "unavailable"), None)


def _sooner(field: Field, candidate: TargetCandidate) -> Trial | None:
    """Return the trial that makes one of ``candidate`` needless, if there is one: as fast as what it would replace."""
    replaced = (candidate.provider, candidate.instead_of)
    lost = next((each for each in field.trials if (each.candidate.provider, each.candidate.recipe) == replaced), None)
    if candidate.instead_of is None or lost is None or lost.latency is None:
        return None
    kept = [each for each in field.trials if each.latency is not None and field.rules.admit(each)]
    return next((each for each in kept if each.ratio <= ALIKE * lost.ratio), None)
