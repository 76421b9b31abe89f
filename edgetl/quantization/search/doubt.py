"""After the list: what is fast and undecided is judged by more images, where there are any.

Of a slow network every candidate is judged by as many images as the time affords for all; the few that these leave in
doubt, and that would win, are worth the rest.
"""

from __future__ import annotations

from edgetl.quantization.search.field import Field
from edgetl.quantization.search.standing import lacking, standing
from edgetl.quantization.search.trial import Trial

# What part of the time that is left this may take.
SHARE = 0.5
# How many candidates, and how many times the spare images may be lacking, at the rates seen so far.
MOST, HOPE = 3, 1.5


def settle_doubts(field: Field) -> None:
    """Judge the fastest undecided candidates again, by more images."""
    spare = field.contest.spare_images
    doubtful = _worth_it(field, spare)
    if not doubtful:
        return
    count = min(spare, _affordable(field, doubtful))
    if count <= 0:
        return
    field.progress.step("judge by more images", 0, len(doubtful))
    field.contest.extend(count)
    for number, trial in enumerate(doubtful, 1):
        if trial.ratio <= field.best():
            field.add(field.contest.judge(trial))
        field.progress.step("judge by more images", number, len(doubtful))


def _worth_it(field: Field, spare: int) -> list[Trial]:
    """Return the fastest of those that may be chosen as far as is seen, and that so many images could prove."""
    budgets, best = field.rules.budgets, field.best()
    found = []
    for trial in field.able:
        if trial.accuracy is None or standing(trial, budgets) != "unproven":
            continue
        if trial.ratio > best:
            continue
        more = lacking(trial.accuracy, budgets)
        if more is not None and more <= HOPE * spare:
            found.append(trial)
    return sorted(found, key=lambda trial: trial.ratio)[:MOST]


def _affordable(field: Field, doubtful: list[Trial]) -> int:
    """Return how many more images the baseline and these candidates can be judged by in their part of the time."""
    one_s = (field.contest.baseline.latency_p50_ns or 0.0) / 1e9
    ratios = sum(trial.ratio for trial in doubtful)
    left = SHARE * field.clock.left - ratios * one_s * len(field.contest.ground.pixels)
    return int(left / max(one_s * (1 + ratios), 1e-9)) if left > 0 else 0
