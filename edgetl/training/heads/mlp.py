"""Heads that have no closed form: trained by gradients on cached features, as long as it helps on images held out.

The images are split as for the probe; each fold that judges has a training of its own, and all advance epoch by epoch.
Their images together tell the best number of epochs, for which a last training is given all images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgetl import heads
from edgetl.device.cores import cores_allowed
from edgetl.errors import UsageError
from edgetl.heads import Head
from edgetl.progress import Progress
from edgetl.training.descent import optimizer, schedule, validate
from edgetl.training.descent.optimizer import Group
from edgetl.training.heads import design
from edgetl.training.heads.cross_validated import CrossValidated
from edgetl.training.heads.folds import alone, folds
from edgetl.training.hyper import Hyper
from edgetl.training.objective import Objective
from edgetl.training.threads import torch_threads

Features = NDArray[np.float32]

RATE = 1e-3
# The part of all steps over which the learning rate rises.
WARMUP = 0.05
# Epochs, where the user names none: as many as give so many steps, within these bounds.
STEPS, FEWEST, MOST = 600, 8, 80
# After so many epochs that are not the best no further ones follow.
PATIENCE = 6
# Images in a batch, where the user does not say: an eighth of them, within these bounds.
SMALL, LARGE = 32, 256
# So many images judge, near-identical ones counted as one, if there are: more folds of small data, one of large data.
JUDGES = 500
# Parameters of all folds' heads together, each of which takes 16 bytes while it is trained; one fold always judges.
PARAMETERS = 2**24
# BatchNorm needs two images in each batch; batches of this size are never split into smaller ones.
NORM_BATCH = 3
# Multiplications in a batch below which a second thread costs more than it brings.
WORTH_THREADS = 20_000_000
EVALUATED = 4096


@dataclass(frozen=True)
class Fit:
    """The ``state`` dict of a head that was trained for so many ``epochs``.

    ``cross_validated`` is None where a class has too few images to hold any out (near-identical ones count as one). It
    judges the epoch that it chose: a little too kindly, where it holds few images.
    """

    state: Mapping[str, Tensor]
    epochs: int
    cross_validated: CrossValidated | None


@dataclass(frozen=True)
class Cached:
    """The cached features of images as ``inputs`` of a training, standardized: (images, width) in each view."""

    views: tuple[Tensor, ...]
    mean: Tensor
    deviation: Tensor

    def batches(self, epoch: int, order: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        """Yield a tensor for each batch: in each epoch an image shows its next view."""
        for batch in order:
            images = torch.tensor(batch)
            shown = (images + epoch) % len(self.views)
            rows = self.views[0][images]
            for number, view in enumerate(self.views[1:], 1):
                rows[shown == number] = view[images[shown == number]]
            yield (rows - self.mean) / self.deviation

    def plain(self, order: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        """Yield a tensor for each batch, of the first view."""
        for batch in order:
            yield (self.views[0][list(batch)] - self.mean) / self.deviation


@dataclass(frozen=True)
class _Plan:
    head: Head
    objective: Objective
    epochs: int
    batch: int
    rate: float
    patience: int
    seed: int


class _Training:
    """A head on its way, trained on the images ``rows`` of ``inputs``."""

    def __init__(self, inputs: Cached, labels: Tensor, rows: NDArray[np.int64], plan: _Plan) -> None:
        self.inputs, self.labels, self.rows, self.plan = inputs, labels, rows, plan
        # All start alike, so that they tell of the last one.
        torch.manual_seed(schedule.dropout_seed(plan.seed, 0, 0))
        self.module = heads.build(plan.head, len(inputs.mean), len(plan.objective.weights))
        names = frozenset(name for name, _ in self.module.named_parameters())
        self.optimizer = optimizer.adamw(self.module, [Group("head", names, plan.rate)])
        self.normed = any(isinstance(layer, nn.BatchNorm1d) for layer in self.module)
        self.epoch = 0

    def advance(self) -> None:
        """Fit to all images once more."""
        plan = self.plan
        self.epoch += 1
        order = [
            self.rows[batch].tolist() for batch in schedule.batches(len(self.rows), plan.batch, plan.seed, self.epoch)
        ]
        steps = plan.epochs * len(order)
        self.module.train()
        for index, (x, batch) in enumerate(zip(self.inputs.batches(self.epoch - 1, order), order, strict=True)):
            step = (self.epoch - 1) * len(order) + index
            optimizer.at(self.optimizer, schedule.factor(step, steps, round(WARMUP * steps)))
            loss = plan.objective(self.module(x), self.labels[batch]).mean()
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            self.optimizer.step()

    def finish(self) -> nn.Sequential:
        """Return the head as it is now, to be evaluated."""
        if self.normed:
            sample = np.random.default_rng(self.plan.seed).permutation(self.rows).tolist()
            validate.settle(self.module, self.inputs, sample, torch.device("cpu"))
        return self.module.eval()

    def logits(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the logits of these images' first view, (images, classes)."""
        module = self.finish()
        parts = [rows[start : start + EVALUATED].tolist() for start in range(0, len(rows), EVALUATED)]
        with torch.inference_mode():
            return torch.cat([module(x) for x in self.inputs.plain(parts)])


def fit(
    features: Features,
    labels: NDArray[np.int64],
    head: Head,
    objective: Objective,
    hyper: Hyper,
    seed: int,
    progress: Progress,
    *,
    groups: NDArray[np.int64] | None = None,
    views: Sequence[Features] = (),
) -> Fit:
    """Return ``head`` trained on (images, width) ``features``; bit-identical for the same input on the same machine.

    Images of one of the ``groups`` (images,) are near-identical and judge together; None says that there are no such
    images. ``views`` are the features of the same images under augmentations, shaped and ordered as ``features``; the
    plain one judges. Raises UsageError for batches that are too small for BatchNorm.
    """
    batch = hyper.batch or min(LARGE, max(SMALL, len(labels) // 8))
    if batch < NORM_BATCH and any(layer.kind == "norm" for layer in head.before):
        raise UsageError(f"The head '{head}' normalizes over batches; {batch} images are too few. Give --batch-size 4.")
    steps = math.ceil(len(labels) / batch)
    plan = _Plan(
        head,
        objective,
        hyper.epochs or min(MOST, max(FEWEST, STEPS // steps)),
        batch,
        hyper.rate or RATE,
        hyper.patience or PATIENCE,
        seed,
    )
    work = batch * features.shape[1] * max((*head.hidden, 1))
    with torch_threads(cores_allowed() if work > WORTH_THREADS else 1), torch.random.fork_rng([]):
        groups = alone(len(labels)) if groups is None else groups
        return _fit([torch.from_numpy(view) for view in (features, *views)], labels, groups, plan, progress)


def _fit(
    views: Sequence[Tensor], labels: NDArray[np.int64], groups: NDArray[np.int64], plan: _Plan, progress: Progress
) -> Fit:
    width = views[0].shape[1]
    first = next((layer.kind for layer in plan.head.before if layer.kind != "dropout"), "linear")
    mean, deviation = torch.zeros(width), torch.ones(width)
    # Normalization needs nothing standardized before it.
    if first != "norm":
        mean, deviation = (each.float() for each in design.moments(views))
    inputs, y = Cached(tuple(views), mean, deviation), torch.from_numpy(labels)
    epochs, validated = _validated(inputs, y, groups, plan, progress)
    training = _Training(inputs, y, np.arange(len(labels)), plan)
    for epoch in range(1, epochs + 1):
        training.advance()
        progress.step("fit the head", epoch, epochs)
    module = training.finish()
    if first != "norm":
        _fold(module, mean, deviation)
    return Fit({name: tensor.detach() for name, tensor in module.state_dict().items()}, epochs, validated)


def _validated(
    inputs: Cached, y: Tensor, groups: NDArray[np.int64], plan: _Plan, progress: Progress
) -> tuple[int, CrossValidated | None]:
    """Return after how many epochs the loss on images held out is least, and what is said of them then."""
    fold_of = folds(y.numpy(), groups, plan.seed)
    if fold_of.max() < 1:
        return plan.epochs, None
    held = _judges(fold_of, groups, plan, len(inputs.mean))
    # Nothing of a group that judges is trained on, even where it is in no fold.
    trainings = [_Training(inputs, y, np.flatnonzero(~np.isin(groups, groups[part])), plan) for part in held]
    rows = np.concatenate(held)
    judged, weights = y[rows], torch.tensor(plan.objective.weights)[y[rows]].double()
    least, best, logits = math.inf, 0, torch.empty(0)
    for epoch in range(1, plan.epochs + 1):
        for training in trainings:
            training.advance()
        now = torch.cat([training.logits(part) for training, part in zip(trainings, held, strict=True)])
        loss = float(plan.objective(now, judged).double().sum() / weights.sum())
        if loss < least:
            least, best, logits = loss, epoch, now
        progress.step("choose the epochs", epoch, plan.epochs)
        if epoch - best >= plan.patience:
            progress.step("choose the epochs", plan.epochs, plan.epochs)
            break
    return best, CrossValidated(rows, judged.numpy(), groups[rows], logits.numpy())


def _judges(fold_of: NDArray[np.int64], groups: NDArray[np.int64], plan: _Plan, width: int) -> list[NDArray[np.int64]]:
    """Return the images of each fold that judges."""
    parameters = sum(each.numel() for each in heads.build(plan.head, width, len(plan.objective.weights)).parameters())
    result: list[NDArray[np.int64]] = []
    for fold in range(fold_of.max() + 1):
        judges = sum(len(np.unique(groups[part])) for part in result)
        if result and (judges >= JUDGES or (len(result) + 1) * parameters > PARAMETERS):
            break
        result.append(np.flatnonzero(fold_of == fold))
    return result


def _fold(module: nn.Sequential, mean: Tensor, deviation: Tensor) -> None:
    """Change the first linear layer, so that it does to features what it did to standardized ones."""
    layer = next(layer for layer in module if isinstance(layer, nn.Linear))
    with torch.no_grad():
        weight = layer.weight.double() / deviation.double()
        layer.bias.sub_((weight @ mean.double()).float())
        layer.weight.copy_(weight)
