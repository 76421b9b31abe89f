"""The strategy `probe`: a head fitted to the features of the frozen backbone."""

from __future__ import annotations

from edgetl import classifier
from edgetl.dataset import fitting_images
from edgetl.training.strategies import tuning
from edgetl.training.task import Task, Trained, Unseen
from edgetl.weights import Weights


def probe(task: Task) -> Trained:
    """Return the source's backbone and a head fitted to all images to fit to, and to so many views as `Hyper` says."""
    return probed(task, tuning.settled(task), task.hyper.views, last=True)


def probed(task: Task, backbone: Weights, views: int, *, last: bool = False) -> Trained:
    """Return ``backbone`` with a head fitted to all images to fit to and to so many augmented views of each.

    For ``last`` see `tuning.fit_head`. The logits are those of all training images, also of such as are judged by.
    """
    dataset = task.dataset
    fit = fitting_images(dataset)
    # Both splits in one pass, in which the forward pass is made ready once.
    computed = tuning.features(task, backbone, dataset.train + dataset.val)
    head = tuning.fit_head(task, backbone, fit, views, last=last)
    logits = head.logits(computed)
    tensors = {f"{classifier.BACKBONE}{name}": tensor for name, tensor in backbone.tensors.items()}
    tensors |= {f"{classifier.HEAD}{name}": tensor for name, tensor in head.tensors.items()}
    seen = head.cross_validated
    unseen = None if seen is None else Unseen(seen.logits, seen.labels, "cross-validated training images")
    train = len(dataset.train)
    return Trained(tensors, logits[:train], logits[train:], unseen=unseen)
