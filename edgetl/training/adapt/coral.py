"""CORAL on cached features: the source's are given the target's mean and covariance, and the head is fitted to them.

Sun, Feng and Saenko, *Return of frustratingly easy domain adaptation* (AAAI 2016), with two differences. The mean is
aligned too. And of the covariance, the deviations of single features are aligned fully, the correlations only in part:
a thousand features have half a million correlations, which a few hundred images say little about.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from edgetl.device.cores import cores_allowed
from edgetl.training.adapt.problem import Network, Problem
from edgetl.training.features.extraction import Features
from edgetl.training.heads.fitting import fit_head
from edgetl.training.task import Task
from edgetl.training.threads import torch_threads

# The part of all correlations that is given up.
SHRINKAGE = 0.9
# Part of the mean variance of the features that is added to each one's: what hardly varies is hardly scaled.
FLOOR = 1e-2
# Images that statistics are taken of, and images that are moved at once.
SAMPLE, ROWS = 4096, 4096


@dataclass(frozen=True)
class Statistics:
    """Of features, float64: ``mean`` and ``deviation`` (width,), and their correlations' ``axes`` (width, rank).

    ``variances`` (rank,) are those of the standardized features along the axes.
    """

    mean: Tensor
    deviation: Tensor
    axes: Tensor
    variances: Tensor


def require(_task: Task, _images: int) -> None:
    """Do nothing: any network's features of any images have a mean and a covariance."""


def adapt(problem: Problem) -> Network:
    """Return the network with its head fitted anew; the backbone stays as it is."""
    task, backbone = problem.task, problem.network.backbone
    source, target = problem.of_source(backbone, problem.images), problem.of_target(backbone)
    moved = aligned(source, target)
    hyper = replace(task.hyper, epochs=None, batch=None, rate=None, patience=None)
    classes = len(task.dataset.classes)
    fitted = fit_head(moved, problem.labels, task.head, classes, hyper, task.seed, task.progress, groups=problem.groups)
    return replace(problem.network, head=fitted.tensors)


def aligned(source: Features, target: Features) -> Features:
    """Return the ``source`` features, (images, width), with the first and second moments of the ``target``'s."""
    with torch_threads(cores_allowed()):
        before, after = statistics(source), statistics(target)
        moved = np.empty_like(source)
        for start in range(0, len(source), ROWS):
            rows = torch.from_numpy(source[start : start + ROWS]).double()
            standard = (rows - before.mean) / before.deviation
            whitened = _power(standard, before, -0.5)
            moved[start : start + ROWS] = _power(whitened, after, 0.5) * after.deviation + after.mean
        return moved


def statistics(features: Features) -> Statistics:
    """Return the statistics of SAMPLE of these features at most, evenly spaced."""
    chosen = np.unique(np.linspace(0, len(features) - 1, min(len(features), SAMPLE)).astype(int))
    rows = torch.from_numpy(features[chosen]).double()
    mean, variance = rows.mean(0), rows.var(0, correction=0)
    deviation = (variance + FLOOR * variance.mean()).sqrt()
    # Features that are all the same have no deviation at all.
    deviation = torch.where(deviation > 0, deviation, 1.0)
    standard = (rows - mean) / deviation
    # The smaller of the two matrices of products; both have the same eigenvalues but for zeros.
    wide = len(rows) < rows.shape[1]
    variances, vectors = torch.linalg.eigh((standard @ standard.T if wide else standard.T @ standard) / len(rows))
    kept = variances > 1e-9 * variances.max()
    variances, vectors = variances[kept], vectors[:, kept]
    axes = standard.T @ vectors / (len(rows) * variances).sqrt() if wide else vectors
    return Statistics(mean, deviation, axes, variances)


def _power(rows: Tensor, of: Statistics, exponent: float) -> Tensor:
    """Return ``rows`` times a power of the shrunk correlations, which are SHRINKAGE in all directions but the axes."""
    along = SHRINKAGE + (1 - SHRINKAGE) * of.variances
    rest: float = SHRINKAGE**exponent
    return rest * rows + ((rows @ of.axes) * (along**exponent - rest)) @ of.axes.T
