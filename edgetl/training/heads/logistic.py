"""Multinomial logistic regression: its loss over a design matrix, the gradient of it, and where it is least."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from edgetl.training.heads.design import Design
from edgetl.training.heads.lbfgs import Watch, minimize
from edgetl.training.objective import Objective


@dataclass(frozen=True)
class Problem:
    """What is to be fitted: class indices ``y`` (images,) to a ``design``, whose axes have these ``variances``."""

    design: Design
    y: Tensor
    variances: Tensor
    objective: Objective

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.objective.weights)

    @property
    def weights(self) -> Tensor:
        """What each image weighs by its class, float64 (images,)."""
        return torch.tensor(self.objective.weights, dtype=torch.float64)[self.y]

    def start(self, fits: int) -> Tensor:
        """Return the unknowns of so many fits, all zero: (rank + 1, fits, classes), the last row being the bias."""
        return torch.zeros(len(self.variances) + 1, fits, self.classes, dtype=torch.float64)


def solve(
    problem: Problem, shares: Tensor, l2: float, start: Tensor, tolerance: float, watch: Watch | None = None
) -> Tensor:
    """Return the minima of several fits at once, shaped as ``start``.

    Each minimizes its weighted mean cross-entropy ``+ l2 / 2 * |weight|^2``; the bias is free. ``shares`` (images,
    fits) weighs each image in each fit: the folds differ in nothing else, and one product with the features of all of
    them is much cheaper than a product for each.
    """
    # The unknowns are scaled so that the loss curves alike in all directions, which takes half the steps: along an axis
    # of variance v it curves by at most about v / 4 + l2 (Böhning, 1992, bounds the softmax's part).
    scale = torch.cat([problem.variances / 4 + l2, torch.ones(1, dtype=start.dtype)]).sqrt()[:, None, None]

    def scaled(point: Tensor) -> tuple[float, Tensor]:
        solution = point / scale
        value, gradient = _loss(problem, shares, solution)
        gradient[:-1] += l2 * solution[:-1]
        return value + l2 / 2 * float(solution[:-1].square().sum()), gradient / scale

    return minimize(scaled, start * scale, tolerance, watch) / scale


def logits(design: Design, solution: Tensor) -> Tensor:
    """Return the logits of each fit for the plain view, float64 (images, fits, classes)."""
    _, fits, classes = solution.shape
    weight, bias = design.layer(solution.flatten(1))
    rows = [torch.addmm(bias, block, weight) for _, block in design.plain().blocks(fits * classes)]
    return torch.cat(rows).view(-1, fits, classes)


def losses(logits: Tensor, y: Tensor, smoothing: float) -> Tensor:
    """Return the cross-entropy of each image, (images,), for ``logits`` (images, classes), labels being smoothed."""
    right = logits.gather(-1, y[:, None])[:, 0]
    return torch.logsumexp(logits, -1) - (1 - smoothing) * right - smoothing * logits.mean(-1)


def _loss(problem: Problem, shares: Tensor, solution: Tensor) -> tuple[float, Tensor]:
    """Return the sum of the images' losses times their ``shares``, over views and fits, and its gradient."""
    _, fits, classes = solution.shape
    smoothing, views = problem.objective.smoothing, len(problem.design.views)
    weight, bias = problem.design.layer(solution.flatten(1))
    value = torch.zeros((), dtype=solution.dtype)
    by_weight, by_bias = torch.zeros_like(weight), torch.zeros_like(bias)
    for part, block in problem.design.blocks(fits * classes):
        scores = torch.addmm(bias, block, weight).view(-1, fits, classes)
        y = problem.y[part, None, None].expand(-1, fits, 1)
        share = shares[part, :, None] / views
        total = torch.logsumexp(scores, -1, keepdim=True)
        value += ((total - (1 - smoothing) * scores.gather(-1, y)) * share).sum()
        if smoothing:
            value -= smoothing * (scores.mean(-1, keepdim=True) * share).sum()
        # The gradient by the logits: the probabilities less the smoothed label.
        change = scores.sub_(total).exp_()
        change.scatter_add_(-1, y, torch.full((), smoothing - 1, dtype=change.dtype).expand(y.shape))
        change = change.sub_(smoothing / classes).mul_(share).view(len(block), -1)
        by_weight.addmm_(block.T, change)
        by_bias += change.sum(0)
    return float(value), problem.design.gradient(by_weight, by_bias).view_as(solution)
