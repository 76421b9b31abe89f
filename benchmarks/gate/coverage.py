"""How often the accuracy gate is right, simulated: pairs of classifiers whose true drop is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgetl.artifacts import Outcome
from edgetl.gate.limits import outcome
from edgetl.measure.accuracy import drop_interval

IMAGES = (100, 300, 1000)
BUDGET = 0.02
# The share of images on which the two disagree in being right: int8 of a good model, of a bad one.
DISCORDANT = (0.01, 0.05, 0.15)
TRIALS = 4000


def measure() -> list[dict[str, Any]]:
    """Return a row for each number of images and rate of discordance.

    ``covered`` is how often the 95 % interval held the true drop; ``wrong_pass`` how often a model that loses exactly
    the budget passed (2.5 % at most is promised), ``wrong_fail`` how often it failed; ``missed_naive`` how often
    comparing two accuracies with the budget lets a model pass that loses twice the budget.
    """
    rng = np.random.default_rng(0)
    rows = []
    for images in IMAGES:
        for discordant in DISCORDANT:
            lost, won = _draw(rng, images, discordant, 0.0)
            intervals = [drop_interval(*pair, images) for pair in zip(lost, won, strict=True)]
            covered = np.mean([low <= 0.0 <= high for low, high in intervals])
            at_budget = _verdicts(rng, images, max(discordant, BUDGET), BUDGET)
            lost, won = _draw(rng, images, max(discordant, 2 * BUDGET), 2 * BUDGET)
            rows.append(
                {
                    "images": images,
                    "discordant": discordant,
                    "covered": float(covered),
                    "wrong_pass": float(np.mean([each == "pass" for each in at_budget])),
                    "wrong_fail": float(np.mean([each == "fail" for each in at_budget])),
                    "missed_naive": float(np.mean((lost - won) / images <= BUDGET)),
                }
            )
    return rows


def _verdicts(rng: np.random.Generator, images: int, discordant: float, drop: float) -> list[Outcome]:
    lost, won = _draw(rng, images, discordant, drop)
    return [outcome(*drop_interval(*pair, images), BUDGET) for pair in zip(lost, won, strict=True)]


def _draw(
    rng: np.random.Generator, images: int, discordant: float, drop: float
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    shares = [(discordant + drop) / 2, (discordant - drop) / 2, 1 - discordant]
    counts = rng.multinomial(images, shares, TRIALS)
    return counts[:, 0], counts[:, 1]
