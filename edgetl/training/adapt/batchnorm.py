"""BatchNorm re-estimation: statistics under which the target's activations are distributed as the source's were."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgetl import backbones, weights
from edgetl.errors import UsageError
from edgetl.pixels import Pixels, iter_pixels
from edgetl.training.adapt.problem import Network, Problem
from edgetl.training.features import batchnorm
from edgetl.training.task import Task

# Images of each domain that the statistics are of; beyond, they hardly change.
IMAGES, BATCH = 512, 32


def require(task: Task, _: int) -> None:
    """Raise UsageError for a network without BatchNorm."""
    if not batchnorm.present(backbones.build_empty(task.backbone)):
        raise UsageError(f"A {task.backbone.name} has no BatchNorm to re-estimate. Choose --adapt-method coral or mcc.")


def adapt(problem: Problem) -> Network:
    """Return the network with other statistics in its BatchNorms, all else as it was; see `batchnorm.align`."""
    task = problem.task
    network = weights.attach(problem.network.backbone, task.backbone)
    network.to(task.world.device)
    source = task.dataset.paths(problem.images)
    batchnorm.align(
        network,
        _sample(problem, source, "statistics of the source"),
        _sample(problem, problem.target.paths, "statistics of the target"),
        len(problem.target.paths),
        task.backbone.preprocess,
    )
    tensors = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
    return replace(problem.network, backbone=replace(problem.network.backbone, tensors=tensors))


def _sample(problem: Problem, paths: Sequence[Path], step: str) -> Iterator[Pixels]:
    """Yield a random sample in batches of about the same size."""
    task = problem.task
    chosen = np.random.default_rng(task.seed).permutation(len(paths))[:IMAGES]
    batch = math.ceil(len(chosen) / math.ceil(len(chosen) / BATCH))
    images = [paths[index] for index in chosen]
    for _, pixels in iter_pixels(images, task.backbone.preprocess, batch=batch, progress=task.progress, step=step):
        yield pixels
