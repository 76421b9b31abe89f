"""The probe: multinomial logistic regression on features, its strength of regularization chosen by cross-validation.

It minimizes ``mean cross-entropy + l2 / 2 * |weight|^2`` over standardized features, in float64; the bias is free. The
standardization (see `design`) is folded into the layer afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgetl.device.cores import cores_allowed
from edgetl.progress import Progress
from edgetl.training.heads import design, logistic
from edgetl.training.heads.cross_validated import CrossValidated
from edgetl.training.heads.design import Coordinates
from edgetl.training.heads.folds import alone, folds
from edgetl.training.heads.logistic import Problem
from edgetl.training.objective import Objective
from edgetl.training.threads import torch_threads

Features = NDArray[np.float32]

# From strong to weak: each solution is the start of the next, and strongly regularized ones are found fastest.
GRID = tuple(float(value) for value in np.logspace(1, -4, 11))
# The loss has one minimum along the grid; after so many strengths worse than the best, the rest are not tried.
PATIENCE = 2
# The strength where a class has too few images to be cross-validated.
UNVALIDATED_L2 = 1e-2
# The largest component of the gradient at which a minimum is found: to rank strengths, and for the probe itself.
LOOSE, TIGHT = 1e-4, 1e-7
# Features x classes x images below which a second thread costs more than it brings.
WORTH_THREADS = 20_000_000
# Unknowns that are solved for at once (16 MiB, of which L-BFGS keeps some twenty times); else the folds go in turn.
UNKNOWNS = 2**21
PERCENT = 100


@dataclass(frozen=True)
class Probe:
    """A linear layer: ``weight`` (classes, features) and ``bias`` (classes,), float32.

    ``cross_validated`` is None where a class has too few images for it that are not near-identical.
    """

    weight: Tensor
    bias: Tensor
    l2: float
    cross_validated: CrossValidated | None

    @property
    def cv_accuracy(self) -> float | None:
        """The cross-validated accuracy, a fraction."""
        return None if self.cross_validated is None else self.cross_validated.accuracy


def fit(
    features: Features,
    labels: NDArray[np.int64],
    classes: int,
    seed: int,
    progress: Progress,
    *,
    groups: NDArray[np.int64] | None = None,
    views: Sequence[Features] = (),
    objective: Objective | None = None,
) -> Probe:
    """Return the best probe for (images, width) ``features``; bit-identical for the same input on the same machine.

    Images of one of the ``groups`` (images,) are near-identical and in one fold; None says that there are no such
    images. ``views`` are the features of the same images under augmentations, shaped and ordered as ``features``: all
    views of an image are in one fold and weigh as much as one image together, and the plain one judges. ``objective``
    weighs the classes and smooths the labels, in the fit and where strengths are compared.
    """
    size = (1 + len(views)) * features.size * classes
    with torch_threads(cores_allowed() if size > WORTH_THREADS else 1):
        groups = alone(len(labels)) if groups is None else groups
        return _fit((features, *views), labels, groups, objective or Objective((1.0,) * classes), seed, progress)


def _fit(
    views: Sequence[Features],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    objective: Objective,
    seed: int,
    progress: Progress,
) -> Probe:
    x, y = [torch.from_numpy(view) for view in views], torch.from_numpy(labels)
    coordinates = design.coordinates(x)
    l2, start, validated = _strength(x, y, groups, coordinates, objective, seed, progress)
    problem = Problem(design.design(x, coordinates), y, coordinates.variances, objective)
    shares = problem.weights[:, None] / problem.weights.sum()
    solution = logistic.solve(problem, shares, l2, start, TIGHT, _watch(progress))
    weight, bias = coordinates.layer(solution[:, 0])
    return Probe(weight.T.float().contiguous(), bias.float(), l2, validated)


def _watch(progress: Progress) -> Callable[[float], None]:
    """Return what shows how far a gradient has fallen towards TIGHT, in orders of magnitude."""
    reached = 0
    first: float | None = None

    def watch(largest: float) -> None:
        nonlocal reached, first
        first = first or max(largest, 2 * TIGHT)
        part = math.log(first / max(largest, TIGHT)) / math.log(first / TIGHT)
        reached = max(reached, min(PERCENT, int(PERCENT * part)))
        progress.step("fit the head", reached, PERCENT)

    return watch


def _strength(
    views: Sequence[Tensor],
    y: Tensor,
    groups: NDArray[np.int64],
    coordinates: Coordinates,
    objective: Objective,
    seed: int,
    progress: Progress,
) -> tuple[float, Tensor, CrossValidated | None]:
    """Return the strength with the least cross-validated loss, a start for its fit to all images, and what it says."""
    fold_of = torch.from_numpy(folds(y.numpy(), groups, seed))
    rows = torch.nonzero(fold_of >= 0)[:, 0]
    fold_of, y = fold_of[rows], y[rows]
    count = int(fold_of.max()) + 1
    if count < 2:
        return UNVALIDATED_L2, torch.zeros(coordinates.rank + 1, 1, len(objective.weights), dtype=torch.float64), None
    problem = Problem(design.design(views, coordinates, rows), y, coordinates.variances, objective)
    weights = problem.weights
    inside = torch.stack([(fold_of != fold).double() for fold in range(count)], 1) * weights[:, None]
    together = max(1, UNKNOWNS // problem.start(1).numel())
    inside /= inside.sum(0)
    shares = [inside[:, first : first + together] for first in range(0, count, together)]
    solutions = [problem.start(share.shape[1]) for share in shares]
    scores: list[tuple[float, float]] = []
    best = problem.start(1)
    validated: CrossValidated | None = None
    for done, l2 in enumerate(GRID, 1):
        solutions = [
            logistic.solve(problem, share, l2, solution, LOOSE)
            for share, solution in zip(shares, solutions, strict=True)
        ]
        judged = _unseen(problem, solutions, fold_of)
        loss = float((logistic.losses(judged, y, objective.smoothing) * weights).sum() / weights.sum())
        scores.append((loss, l2))
        if min(scores) == scores[-1]:
            best = torch.cat(solutions, 1).mean(1, keepdim=True)
            validated = CrossValidated(rows.numpy(), y.numpy(), groups[rows.numpy()], judged.float().numpy())
        progress.step("cross-validate", done, len(GRID))
        if done - 1 - scores.index(min(scores)) >= PATIENCE:
            progress.step("cross-validate", len(GRID), len(GRID))
            break
    return min(scores)[1], best, validated


def _unseen(problem: Problem, solutions: Sequence[Tensor], fold_of: Tensor) -> Tensor:
    """Return each image's logits, (images, classes), by the fit that left out its fold."""
    result = torch.empty(len(fold_of), problem.classes, dtype=torch.float64)
    first = 0
    for solution in solutions:
        mine = torch.nonzero((fold_of >= first) & (fold_of < first + solution.shape[1]))[:, 0]
        result[mine] = logistic.logits(problem.design, solution)[mine, fold_of[mine] - first]
        first += solution.shape[1]
    return result
