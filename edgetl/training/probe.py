"""The probe: multinomial logistic regression on features, its strength of regularization chosen by cross-validation.

It minimizes ``mean cross-entropy + l2 / 2 * |weight|^2`` over standardized features, in float64; the bias is free.
Features that hardly change are standardized only in part (see FLOOR). The standardization is folded into the layer
afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgetl.device.cores import cores_allowed
from edgetl.progress import Progress
from edgetl.training.lbfgs import minimize
from edgetl.training.threads import torch_threads

# From strong to weak: each solution is the start of the next, and strongly regularized ones are found fastest.
GRID = tuple(float(value) for value in np.logspace(1, -4, 11))
FOLDS = 5
# Cross-validation sees at most about so many images: the best strength moves slowly with their number.
CROSS_VALIDATED = 4096
# The loss has one minimum along the grid; after so many strengths worse than the best, the rest are not tried.
PATIENCE = 2
# Part of the features' root mean square deviation that is added, in quadrature, to each one's own.
FLOOR = 0.25
# The strength where a class has too few images to be cross-validated.
UNVALIDATED_L2 = 1e-2
# The largest component of the gradient at which a minimum is found: to rank strengths, and for the probe itself.
LOOSE, TIGHT = 1e-4, 1e-7
# Part of the largest variance below which an axis holds nothing but rounding.
RANK = 1e-12
# Features x classes x images below which a second thread costs more than it brings.
WORTH_THREADS = 20_000_000


@dataclass(frozen=True)
class Probe:
    """A linear layer: ``weight`` (classes, features) and ``bias`` (classes,), float32.

    ``cv_accuracy`` is a fraction, None where a class has too few images to be cross-validated.
    """

    weight: Tensor
    bias: Tensor
    l2: float
    cv_accuracy: float | None


@dataclass(frozen=True)
class Problem:
    """Features ``z`` (images, rank) along their principal axes, of these ``variances``; class indices ``y``."""

    z: Tensor
    y: Tensor
    variances: Tensor
    classes: int

    def start(self, fits: int) -> Tensor:
        """Return the unknowns of so many fits, all zero."""
        return torch.zeros(self.z.shape[1] + 1, fits, self.classes, dtype=self.z.dtype)


def fit(features: NDArray[np.float32], labels: NDArray[np.int64], classes: int, seed: int, progress: Progress) -> Probe:
    """Return the best probe for (images, width) ``features``; bit-identical for the same input on the same machine."""
    with torch_threads(cores_allowed() if features.size * classes > WORTH_THREADS else 1):
        return _fit(features, labels, classes, seed, progress)


def _fit(
    features: NDArray[np.float32], labels: NDArray[np.int64], classes: int, seed: int, progress: Progress
) -> Probe:
    x, y = torch.from_numpy(features).double(), torch.from_numpy(labels)
    mean, deviation = x.mean(0), x.std(0, correction=0)
    # A feature that never changes says nothing.
    constant = deviation <= 1e-6 * deviation.max()
    # A feature that hardly changes beside the others must not be blown up to their size: its weights would be so large
    # that the rounding of int8 features, one step for all of them, drowns the logits.
    deviation = torch.hypot(deviation, FLOOR * deviation.square().mean().sqrt())
    deviation[constant] = torch.inf
    z = (x - mean) / deviation
    axes, variances = _principal(z)
    problem = Problem(z @ axes, y, variances, classes)
    l2, accuracy = _strength(problem, seed, progress)
    everything = torch.full((len(y), 1), 1 / len(y), dtype=z.dtype)
    solution = _minimize(problem, everything, l2, problem.start(1), TIGHT)[:, 0]
    weight = (axes @ solution[:-1]).T / deviation
    bias = solution[-1] - weight @ mean
    return Probe(weight.float(), bias.float(), l2, accuracy)


def _principal(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return the principal axes of ``z`` (width, rank) and the variances along them.

    A regularized solution is a combination of the rows of ``z``, and a rotation changes neither logits nor norms: so
    the probe of few images has as many unknowns as images and not as features, and still is the same probe.
    """
    images, width = z.shape
    wide = images < width
    variances, axes = torch.linalg.eigh((z @ z.T if wide else z.T @ z) / images)
    kept = variances > RANK * variances.max()
    variances, axes = variances[kept], axes[:, kept]
    return (z.T @ axes / (images * variances).sqrt() if wide else axes), variances


def _strength(problem: Problem, seed: int, progress: Progress) -> tuple[float, float | None]:
    """Return the strength with the least cross-validated loss, and its accuracy."""
    fold_of = torch.from_numpy(folds(problem.y.numpy(), seed))
    used = fold_of >= 0
    problem, fold_of = replace(problem, z=problem.z[used], y=problem.y[used]), fold_of[used]
    count = int(fold_of.max()) + 1
    if count < 2:
        return UNVALIDATED_L2, None
    inside = torch.stack([(fold_of != fold).double() for fold in range(count)], 1)
    solution, y = problem.start(count), problem.y
    scores: list[tuple[float, float, float]] = []
    for done, l2 in enumerate(GRID, 1):
        solution = _minimize(problem, inside / inside.sum(0), l2, solution, LOOSE)
        judged = _logits(problem.z, solution)[torch.arange(len(y)), fold_of]
        right = float((judged.argmax(1) == y).double().mean())
        scores.append((float(_cross_entropy(judged, y).mean()), l2, right))
        progress.step("cross-validate", done, len(GRID))
        if done - 1 - scores.index(min(scores)) >= PATIENCE:
            progress.step("cross-validate", len(GRID), len(GRID))
            break
    _, l2, accuracy = min(scores)
    return l2, accuracy


def folds(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return each image's fold, classes spread evenly; -1 for images that are left out because there are plenty.

    There are no more folds than the rarest class has images.
    """
    generator = np.random.default_rng(seed)
    counts = np.bincount(labels)
    number = min(FOLDS, int(counts[counts > 0].min()))
    keep = min(1.0, CROSS_VALIDATED / len(labels))
    result = np.full(len(labels), -1)
    offset = 0
    for label in np.flatnonzero(counts):
        images = generator.permutation(np.flatnonzero(labels == label))
        images = images[: max(number, round(keep * len(images)))]
        # Each class begins where the last one ended, so that many small classes do not all fill the first fold.
        result[images] = (np.arange(len(images)) + offset) % number
        offset += len(images)
    return result


def _minimize(problem: Problem, shares: Tensor, l2: float, start: Tensor, tolerance: float) -> Tensor:
    """Return the minima of several fits at once, (rank + 1, fits, classes), the last row being the bias.

    ``shares`` (images, fits) weighs each image in each fit: the folds differ in nothing else, and one product with the
    features of all of them is much cheaper than a product for each.
    """
    # The unknowns are scaled so that the loss curves alike in all directions, which takes half the steps: along an axis
    # of variance v it curves by at most about v / 4 + l2 (Böhning, 1992, bounds the softmax's part).
    scale = torch.cat([problem.variances / 4 + l2, torch.ones(1, dtype=start.dtype)]).sqrt()[:, None, None]

    def loss(scaled: Tensor) -> Tensor:
        solution = scaled / scale
        fits = _cross_entropy(_logits(problem.z, solution), problem.y[:, None].expand_as(shares)) * shares
        return fits.sum() + l2 / 2 * solution[:-1].square().sum()

    return minimize(loss, start * scale, tolerance) / scale


def _logits(z: Tensor, solution: Tensor) -> Tensor:
    """Return the logits of each fit, (images, fits, classes)."""
    _, fits, classes = solution.shape
    return (z @ solution[:-1].flatten(1) + solution[-1].flatten()).view(-1, fits, classes)


def _cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Return -log softmax(logits)[y] along the last axis, unreduced."""
    return torch.logsumexp(logits, -1) - logits.gather(-1, y[..., None])[..., 0]
