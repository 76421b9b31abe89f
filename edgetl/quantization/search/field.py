"""What every phase of a search works with: the contest, the workshop, the time that is left, the trials so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgetl.progress import Progress
from edgetl.quantization.make import Workshop
from edgetl.quantization.search.choose import Rules
from edgetl.quantization.search.contest import LEAST_RUNS, Contest
from edgetl.quantization.search.trial import Trial
from edgetl.quantization.setback import Setback
from edgetl.recipes import Recipe
from edgetl.targets import TargetCandidate

MAX_RACE_S, MIN_RACE_S = 10.0, 1.0
# How many seconds after its time a race may end: one of a small network takes no more, and is worth them.
OVERTIME_S = 5.0
# What a quantized file takes to be judged, as a part of what the baseline takes at the target's number of threads.
JUDGED_IN = 0.5


@dataclass(frozen=True)
class Clock:
    """The monotonic time at which a search should be over."""

    end: float

    @property
    def left(self) -> float:
        """The seconds that are left; negative when it should be over already."""
        return self.end - time.monotonic()

    def share(self, part: float) -> float:
        """Return the monotonic time at which ``part`` (0 to 1) of what is left now will have passed."""
        return time.monotonic() + part * max(self.left, 0.0)


@dataclass
class Field:
    """The state of a search. ``on_change`` is told after every trial, so that the best so far is kept."""

    contest: Contest
    workshop: Workshop
    clock: Clock
    progress: Progress
    on_change: Callable[[Sequence[Trial]], None]
    trials: list[Trial] = field(default_factory=list)

    @property
    def rules(self) -> Rules:
        """What a candidate must keep to."""
        return self.contest.ground.rules

    @property
    def able(self) -> list[Trial]:
        """The trials without a setback: only these may still come to be chosen, whatever is done with them."""
        return [trial for trial in self.trials if trial.setback is None]

    def add(self, trial: Trial) -> Trial:
        """Return ``trial``, which takes the place of an earlier one of its name."""
        known = [each.name for each in self.trials]
        if trial.name in known:
            self.trials[known.index(trial.name)] = trial
        else:
            self.trials.append(trial)
        self.on_change(self.trials)
        return trial

    def best(self) -> float:
        """Return the smallest latency, as a ratio to the baseline's, of what may be chosen, the baseline among it."""
        return min([1.0, *(each.ratio for each in self.trials if self.rules.admit(each))])

    def least_race_s(self, trials: Sequence[Trial]) -> float:
        """Return about how many seconds a race of ``trials`` takes at least; what was not timed counts as fp32."""
        alone = self.contest.baseline.latency_p50_ns or 0.0
        # The baseline races twice.
        return LEAST_RUNS * (2 * alone + sum(each.latency_p50_ns or alone for each in trials)) / 1e9

    def can_race(self, trials: Sequence[Trial], left: float) -> bool:
        """Return whether a race of ``trials`` is over in the ``left`` seconds, or soon enough after them."""
        return self.least_race_s(trials) <= max(left, OVERTIME_S)

    def race_seconds(self, share: float) -> float:
        """Return how long a race may last that gets ``share`` of the time that is left."""
        return min(max(share * self.clock.left, MIN_RACE_S), MAX_RACE_S)

    @property
    def making_end(self) -> float:
        """The monotonic time by which a quantized file has to be there, if there is to be time to judge it."""
        image_s = (self.contest.baseline.latency_p50_ns or 0.0) / 1e9
        return self.clock.end - JUDGED_IN * image_s * len(self.contest.ground.pixels)

    def calibration_pixels(self, count: int) -> NDArray[np.uint8]:
        """Return up to ``count`` calibration images, uint8 (n, h, w, 3): those that choose must not also mend."""
        return np.concatenate(list(self.workshop.images.batches(count)))


def variant(trial: Trial, suffix: str, left_float: Sequence[str], precision: str | None = None) -> Trial:
    """Return an untried trial of ``trial``'s recipe that leaves the nodes ``left_float`` in float besides its own."""
    recipe = _recipe(trial)
    derived = recipe.model_copy(
        update={
            "name": f"{recipe.name}-{suffix}",
            "exclude_nodes": tuple(dict.fromkeys((*recipe.exclude_nodes, *left_float))),
        }
    )
    update = {"recipe": derived.name} | ({"precision": precision} if precision else {})
    candidate: TargetCandidate = trial.candidate.model_copy(update=update)
    return Trial(candidate, recipe=derived)


def with_file(trial: Trial, made: Path | Setback) -> Trial:
    """Return ``trial`` with the file that was ``made`` for it, or with the reason why there is none."""
    if isinstance(made, Setback):
        return replace(trial, setback=made)
    return replace(trial, model=made)


def _recipe(trial: Trial) -> Recipe:
    if trial.recipe is None:
        raise ValueError(f"{trial.name} was not made by a recipe")
    return trial.recipe
