"""Training a backbone's last stages and a head on it by gradients, from a start that is already of use.

::

    Task ── start ──▶ Start (source weights, head) ── tune ──▶ Tuned (tensors, how it went)
                                                       │
                       cuts (trunk | tail) ─ inputs (activations or pixels) ─ loop
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgetl import __version__, classifier, heads, runs, weights
from edgetl.dataset import ImageRef, stopping_images
from edgetl.errors import UsageError
from edgetl.training.augment import PLAIN
from edgetl.training.descent import loop
from edgetl.training.descent.optimizer import Group
from edgetl.training.descent.plan import Examples, Outcome, Plan, Session
from edgetl.training.features import frozen
from edgetl.training.features.extraction import Features, View
from edgetl.training.heads import fitting
from edgetl.training.heads.fitting import FittedHead
from edgetl.training.hyper import BatchNorm
from edgetl.training.inputs import cuts
from edgetl.training.inputs.feed import Inputs, Photos, of_activations, of_pixels
from edgetl.training.objective import Objective, class_weights
from edgetl.training.task import Task
from edgetl.weights import Weights

# How much slower each stage learns than the one after it: earlier ones are of more general use as they are.
FALL = 0.5
# The augmentation of the views that a head is fitted to, where the user names none.
VIEWED = "standard"


@dataclass(frozen=True)
class Choices:
    """The hyperparameters of a strategy where the user gives none, see `Hyper`.

    ``rate`` is the head's, ``backbone`` the last stage's as a share of it; ``views`` is how many augmented views are
    kept of each image where a frozen trunk's activations are.
    """

    epochs: int
    batch: int
    rate: float
    backbone: float
    patience: int
    augment: str
    views: int
    batchnorm: BatchNorm = "frozen"


@dataclass(frozen=True)
class Start:
    """Where a training by gradients begins: source weights, a head, and the images to fit to and to stop by.

    ``fitted`` says that the head is fitted to the former, and not random.
    """

    source: Weights
    head: FittedHead
    fit: tuple[ImageRef, ...]
    stopping: tuple[ImageRef, ...]
    fitted: bool


@dataclass(frozen=True)
class Tuned:
    """A training's best weights, named as in a classifier file, and how it went."""

    tensors: Mapping[str, Tensor]
    outcome: Outcome


def fitted(task: Task) -> Start:
    """Return the source weights with a head fitted to features of the images to fit to."""
    fit, stopping = _roles(task)
    source = settled(task)
    return Start(source, fit_head(task, source, fit), fit, stopping, fitted=True)


def settled(task: Task) -> Weights:
    """Return the source weights; random ones with BatchNorm statistics of the training images."""
    if task.weights.sha256:
        return task.weights
    with task.phases("settle"):
        return frozen.settled(task.weights, task.backbone, task.dataset, task.seed)


def random(task: Task) -> Start:
    """Return the source weights with a random head, the same for a seed."""
    fit, stopping = _roles(task)
    classes = len(task.dataset.classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.seed)
        tensors = heads.build(task.head, task.backbone.features, classes).state_dict()
    return Start(task.weights, FittedHead(task.head, tensors, classes, None), fit, stopping, fitted=False)


def features(task: Task, source: Weights, images: Sequence[ImageRef], view: View | None = None) -> Features:
    """Return the features of ``images`` from the frozen backbone, float32 (images, width), from the cache if there."""
    with task.phases("features"):
        return frozen.extract(source, task.backbone, task.dataset, images, task.progress, view=view, world=task.world)


def fit_head(
    task: Task, source: Weights, images: Sequence[ImageRef], views: int = 0, *, last: bool = False
) -> FittedHead:
    """Return a head fitted to the features of ``images`` and of so many augmented views of each.

    The user's epochs, rates and batches are for the training by gradients that follows; where this is the ``last`` one,
    they are for it. Without an augmentation there is nothing but the plain view.
    """
    hyper = task.hyper if last else replace(task.hyper, epochs=None, batch=None, rate=None, patience=None)
    name = task.hyper.augment or VIEWED
    views = 0 if name == PLAIN else views
    plain = features(task, source, images)
    augmented = [features(task, source, images, View(name, number, task.seed)) for number in range(views)]
    classes = len(task.dataset.classes)
    with task.phases("head"):
        return fitting.fit_head(
            plain,
            labels(task, images),
            task.head,
            classes,
            hyper,
            task.seed,
            task.progress,
            groups=np.asarray(task.dataset.groups(images), np.int64),
            views=augmented,
        )


def tune(task: Task, start: Start, stages: int, choices: Choices, folder: Path, budget_s: float | None = None) -> Tuned:
    """Return the network with its last ``stages`` stages and its head trained; ``folder`` is for its checkpoint.

    It takes about ``budget_s`` seconds at most. Raises UsageError for more stages than there are, and when a training
    cannot be resumed.
    """
    began = time.perf_counter()
    chosen = resolved(task, choices)
    network = weights.attach(start.source, task.backbone)
    cut = cuts.split(network, task.backbone, stages)
    module = assembled(task, cut.tail, start.head.tensors)
    plan = Plan(
        groups=tuple(_groups(task, network, module, stages, chosen)),
        objective=objective(task, start),
        epochs=chosen.epochs,
        batch=chosen.batch,
        patience=chosen.patience,
        batchnorm=chosen.batchnorm,
        seed=task.seed,
    )
    data = (task.dataset.sha256, [image.path for image in start.fit], [image.path for image in start.stopping])
    settings = (stages, asdict(chosen), asdict(replace(task.hyper, stages=None)), task.seed, str(task.head))
    key = runs.digest(__version__, data, task.backbone.name, start.source.digest(), settings)
    with contextlib.ExitStack() as stack:
        stack.enter_context(task.phases("train"))
        fit = stack.enter_context(inputs(task, start.fit, cut.trunk, chosen, chosen.views))
        stopping = stack.enter_context(inputs(task, start.stopping, cut.trunk, chosen, 0))
        left = None if budget_s is None else budget_s - (time.perf_counter() - began)
        session = Session(folder, key, task.progress, task.resume, task.world, left)
        examples = Examples(fit, labels(task, start.fit)), Examples(stopping, labels(task, start.stopping))
        outcome = loop.train(module, *examples, plan, session)
    source = {f"{classifier.BACKBONE}{name}": tensor for name, tensor in start.source.tensors.items()}
    return Tuned({**source, **outcome.state}, outcome)


def objective(task: Task, start: Start) -> Objective:
    """Return what is minimized, its class weights by the images to fit to."""
    balance = class_weights(task.hyper.class_weights, labels(task, start.fit), len(task.dataset.classes))
    return Objective(balance, task.hyper.smoothing)


def count(task: Task) -> int:
    """Return how many stages the task's backbone has."""
    return cuts.stages(weights.attach(task.weights, task.backbone), task.backbone.preprocess.crop)


def labels(task: Task, images: Sequence[ImageRef]) -> NDArray[np.int64]:
    """Return the class indices of ``images``, int64."""
    return np.asarray(task.dataset.labels(images), np.int64)


def assembled(task: Task, backbone: nn.Module, head: Mapping[str, Tensor]) -> nn.Module:
    """Return the two as one network, its parts called as in a classifier file."""
    layers = heads.build(task.head, task.backbone.features, len(task.dataset.classes))
    layers.load_state_dict(dict(head))
    return nn.Sequential(OrderedDict(backbone=backbone, head=layers))


def _roles(task: Task) -> tuple[tuple[ImageRef, ...], tuple[ImageRef, ...]]:
    fit, stopping = stopping_images(task.dataset, task.seed)
    if not stopping:
        raise UsageError(
            "No image is left to stop a training by: no class has two training images beside those that are judged by. "
            "Add some, or choose --strategy probe."
        )
    return fit, stopping


def resolved(task: Task, choices: Choices) -> Choices:
    """Return ``choices`` with what the user chose in their place."""
    told = task.hyper
    return Choices(
        epochs=told.epochs or choices.epochs,
        batch=told.batch or choices.batch,
        rate=told.rate or choices.rate,
        backbone=choices.backbone,
        patience=told.patience or choices.patience,
        augment=told.augment or choices.augment,
        views=told.views or choices.views,
        batchnorm=told.batchnorm or choices.batchnorm,
    )


def _groups(task: Task, network: nn.Module, module: nn.Module, stages: int, chosen: Choices) -> Iterator[Group]:
    """Yield the head, then the stages from the last to the first, each with its learning rate."""
    seen = frozenset(name for name, _ in module.named_parameters() if name.startswith(classifier.HEAD))
    yield Group("head", seen, chosen.rate)
    fall = FALL if chosen.backbone < 1 else 1.0
    for stage in range(1, stages + 1):
        own = cuts.parameters(network, task.backbone, stage)
        names = frozenset(f"{classifier.BACKBONE}{name}" for name in own)
        yield Group(f"stage -{stage}", names - seen, chosen.rate * chosen.backbone * math.pow(fall, stage - 1))
        seen |= names


def inputs(
    task: Task, images: Sequence[ImageRef], trunk: nn.Module | None, chosen: Choices, views: int
) -> contextlib.AbstractContextManager[Inputs]:
    """Return what the rest of the network is fed with, for ``images``: pixels, or so many views' activations."""
    photos = Photos(task.dataset.paths(images), [image.sha256 for image in images], task.backbone.preprocess)
    if trunk is None:
        return contextlib.nullcontext(of_pixels(photos, chosen.augment, task.seed))
    return of_activations(trunk, photos, chosen.augment, views, task.seed, task.progress)
