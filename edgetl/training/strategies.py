"""How a classifier is trained: a table of strategies, each a function from a `Task` to what was `Trained`."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice

import numpy as np

from edgetl import classifier, heads, weights
from edgetl.errors import UsageError
from edgetl.heads import Head
from edgetl.pixels import Pixels, iter_pixels
from edgetl.training import batchnorm, features, forward, probe
from edgetl.training.task import Task, Trained
from edgetl.weights import Weights

SETTLING_IMAGES, SETTLING_BATCH = 256, 32


def fit_probe(task: Task) -> Trained:
    """Return a linear head fitted to the features of the frozen backbone."""
    if task.head != Head():
        raise UsageError(f"The strategy 'probe' fits a linear head, not '{task.head}'. Leave out --head.")
    source = task.weights if task.weights.sha256 else _settled(task)
    images = task.dataset.train + task.dataset.val
    with task.phases("features"):
        computed = _features(task, source)
    with task.phases("head"):
        train = len(task.dataset.train)
        labels = np.asarray(task.dataset.labels(images[:train]))
        fitted = probe.fit(computed[:train], labels, len(task.dataset.classes), task.seed, task.progress)
        logits = computed @ fitted.weight.numpy().T + fitted.bias.numpy()
    tensors = {f"{classifier.BACKBONE}{name}": tensor for name, tensor in source.tensors.items()}
    layer = f"{classifier.HEAD}{heads.ONLY}"
    tensors |= {f"{layer}.weight": fitted.weight, f"{layer}.bias": fitted.bias}
    return Trained(tensors, logits[:train], logits[train:])


STRATEGIES: Mapping[str, Callable[[Task], Trained]] = {"probe": fit_probe}


def _features(task: Task, source: Weights) -> features.Features:
    """Return the frozen backbone's features of the train images, then of the val images."""
    images = task.dataset.train + task.dataset.val
    key = features.Source(source.digest(), task.backbone.name, task.backbone.preprocess)

    def make(sample: Pixels) -> features.Forward:
        network = weights.attach(source, task.backbone)
        return forward.fastest(network, key.preprocess, key.onnx, sample, task.progress)

    hashes = [image.sha256 for image in images]
    return features.extract(key, task.dataset.paths(images), hashes, task.backbone.features, make, task.progress)


def _settled(task: Task) -> Weights:
    """Return random weights with BatchNorm statistics of the training images, without which they pass nothing on."""
    with task.phases("settle"):
        network = weights.attach(task.weights, task.backbone)
        images = random.Random(task.seed).sample(task.dataset.train, min(SETTLING_IMAGES, len(task.dataset.train)))  # noqa: S311
        batches = iter_pixels(task.dataset.paths(images), task.backbone.preprocess, batch=SETTLING_BATCH)
        # A last batch of one image has no variance.
        whole = islice((pixels for _, pixels in batches), max(1, len(images) // SETTLING_BATCH))
        batchnorm.reestimate(network, whole, task.backbone.preprocess)
    return replace(task.weights, tensors=network.state_dict())
