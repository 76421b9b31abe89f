"""Minimum class confusion: the last stage is trained until the target's images are no longer taken for two classes.

Jin, Wang, Long and Wang, *Minimum class confusion for versatile domain adaptation* (ECCV 2020): beside the
cross-entropy of labelled source images, what is minimized is how often the classifier gives images of the target to two
classes at once. Each domain's features are standardized by themselves, as if the backbone ended in a BatchNorm for each
(Chang et al., CVPR 2019): so training begins about where aligning them has come to. In the end the head is fitted anew,
by CORAL on the trained backbone's features.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from edgetl import classifier, weights
from edgetl.device.cores import cores_allowed
from edgetl.errors import UsageError
from edgetl.training.adapt import coral
from edgetl.training.adapt.problem import Network, Problem
from edgetl.training.augment import PLAIN
from edgetl.training.descent import optimizer, schedule
from edgetl.training.descent.optimizer import Group
from edgetl.training.inputs import cuts
from edgetl.training.inputs.feed import Inputs, Photos, of_activations, of_pixels
from edgetl.training.objective import Objective, class_weights
from edgetl.training.strategies import tuning
from edgetl.training.task import Task
from edgetl.training.threads import torch_threads

STEP = "adapt by mcc"
# Images of each domain in a batch: their features' moments are taken of a batch.
BATCH = 32
# Rounds over the larger domain, and the steps within which they must lie.
EPOCHS, LEAST, MOST = 3, 45, 300
WARMUP = 0.05
# Peak learning rates, and the largest norm of the backbone's gradient.
HEAD, BACKBONE, CLIP = 1e-2, 1e-3, 1.0
# What the logits are divided by before the softmax, from the paper.
TEMPERATURE = 2.5


def require(_: Task, images: int) -> None:
    """Raise UsageError for fewer ``images`` of the target than a batch."""
    if images < BATCH:
        raise UsageError(
            f"Adapting by mcc takes at least {BATCH} images of the target, and there are {images}. Add some, or choose "
            "--adapt-method coral or bn."
        )


def adapt(problem: Problem) -> Network:
    """Return the network with its last stage and its head trained."""
    task = problem.task
    cut = cuts.split(weights.attach(problem.network.backbone, task.backbone), task.backbone, 1)
    module = tuning.assembled(task, cut.tail, problem.network.head)
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch_threads(cores_allowed()))
        source, target = (
            stack.enter_context(_inputs(problem, cut.trunk, paths, hashes)) for paths, hashes in _domains(problem)
        )
        _train(problem, module, source, target)
    state = {name: tensor.detach().cpu() for name, tensor in module.state_dict().items()}
    trained = Network.of(task, state)
    tensors = {**problem.network.backbone.tensors, **trained.backbone.tensors}
    backbone = replace(problem.network.backbone, tensors=tensors)
    # So few steps leave the head rougher than a fit to all images does.
    return coral.adapt(replace(problem, network=Network(backbone, trained.head)))


@dataclass(frozen=True)
class Moments:
    """The ``mean`` and ``deviation`` of features, each (width,)."""

    mean: Tensor
    deviation: Tensor


def confusion(logits: Tensor) -> Tensor:
    """Return how much classes are confused on images of these ``logits`` (N, classes), a scalar from 0 to 1."""
    shares = (logits / TEMPERATURE).softmax(1)
    entropy = -(shares * (shares + 1e-5).log()).sum(1)
    # Images that the classifier is sure of say more of which classes it confuses.
    weight = 1 + torch.exp(-entropy)
    weight = len(logits) * weight / weight.sum()
    pairs = (shares * weight[:, None].detach()).T @ shares
    pairs = pairs / pairs.sum(1, keepdim=True)
    return (pairs.sum() - pairs.trace()) / logits.shape[1]


def _moments(features: Tensor) -> Moments:
    mean, variance = features.mean(0), features.var(0, correction=0)
    deviation = (variance + coral.FLOOR * variance.mean()).sqrt()
    return Moments(mean, torch.where(deviation > 0, deviation, 1.0))


def _train(problem: Problem, module: nn.Module, source: Inputs, target: Inputs) -> None:
    task, device = problem.task, problem.task.world.device
    counts = (len(problem.images), len(problem.target.paths))
    steps = min(MOST, max(LEAST, EPOCHS * math.ceil(max(counts) / BATCH)))
    # Two domains of one size must not be seen in the same order.
    orders = [_order(count, steps, 2 * task.seed + number) for number, count in enumerate(counts)]
    labels = torch.from_numpy(problem.labels)
    classes = len(task.dataset.classes)
    objective = Objective(class_weights(task.hyper.class_weights, problem.labels, classes), task.hyper.smoothing)
    groups = [Group(part, _names(module, part), rate) for part, rate in _rates().items()]
    # Nothing random and no statistics that move: of two domains at once they would fit neither.
    module.to(device).eval()
    adam = optimizer.adamw(module, groups)
    backbone, head = module.get_submodule("backbone"), module.get_submodule("head")
    for step, (ours, theirs) in enumerate(zip(source.plain(orders[0]), target.plain(orders[1]), strict=True)):
        optimizer.at(adam, schedule.factor(step, steps, round(WARMUP * steps)))
        features = backbone(torch.cat([ours, theirs]).to(device))
        own, other = features[: len(ours)], features[len(ours) :]
        before, after = _moments(own), _moments(other)
        moved = (other - after.mean) * (before.deviation / after.deviation) + before.mean
        loss = objective(head(own), labels[orders[0][step]].to(device)).mean() + confusion(head(moved))
        adam.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(backbone.parameters(), CLIP)
        adam.step()
        task.progress.step(STEP, step + 1, steps)
    module.cpu()


def _rates() -> dict[str, float]:
    return {classifier.HEAD: HEAD, classifier.BACKBONE: BACKBONE}


def _names(module: nn.Module, part: str) -> frozenset[str]:
    return frozenset(name for name, _ in module.named_parameters() if name.startswith(part))


def _order(images: int, steps: int, seed: int) -> list[list[int]]:
    """Return so many batches of BATCH images; each image comes once before any comes twice."""
    batches: list[list[int]] = []
    rest: list[int] = []
    epoch = 0
    while len(batches) < steps:
        while len(rest) < BATCH:
            rest += schedule.batches(images, images, seed, epoch)[0]
            epoch += 1
        batches.append(rest[:BATCH])
        rest = rest[BATCH:]
    return batches


def _domains(problem: Problem) -> Iterator[tuple[Sequence[Path], Sequence[str]]]:
    images, target = problem.images, problem.target
    yield problem.task.dataset.paths(images), [image.sha256 for image in images]
    yield target.paths, target.hashes


def _inputs(
    problem: Problem, trunk: nn.Module | None, paths: Sequence[Path], hashes: Sequence[str]
) -> contextlib.AbstractContextManager[Inputs]:
    photos, task = Photos(paths, hashes, problem.task.backbone.preprocess), problem.task
    if trunk is None:
        return contextlib.nullcontext(of_pixels(photos, PLAIN, task.seed))
    return of_activations(trunk, photos, PLAIN, 0, task.seed, task.progress)
