"""A head fitted to cached features: the probe for a linear one, training by gradients for any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgetl import heads
from edgetl.errors import UsageError
from edgetl.heads import Head
from edgetl.progress import Progress
from edgetl.training.heads import mlp, probe
from edgetl.training.heads.cross_validated import CrossValidated
from edgetl.training.hyper import Hyper
from edgetl.training.objective import Objective, class_weights
from edgetl.training.threads import torch_threads

Features = NDArray[np.float32]

ROWS = 4096


@dataclass(frozen=True, eq=False)
class FittedHead:
    """A ``head`` and its ``tensors`` (names within the head, as in `heads.build`).

    ``l2`` is the strength of regularization where the probe chose one, ``epochs`` how long a training by gradients
    went on. ``cross_validated`` is None where a class has too few images for it (near-identical ones count as one).
    """

    head: Head
    tensors: Mapping[str, Tensor]
    classes: int
    cross_validated: CrossValidated | None
    l2: float | None = None
    epochs: int | None = None

    @property
    def cv_accuracy(self) -> float | None:
        """The part of the images not seen that was given its class."""
        return None if self.cross_validated is None else self.cross_validated.accuracy

    @property
    def cv_right(self) -> int:
        """How many images not seen were given their class."""
        return 0 if self.cross_validated is None else self.cross_validated.right

    @property
    def cv_images(self) -> int:
        """How many images not seen were judged."""
        return 0 if self.cross_validated is None else self.cross_validated.images

    def logits(self, features: Features) -> NDArray[np.float32]:
        """Return the logits, float32 (images, classes), of (images, width) features."""
        module = heads.build(self.head, features.shape[1], self.classes).eval()
        module.load_state_dict(dict(self.tensors))
        result = np.empty((len(features), self.classes), np.float32)
        with torch_threads(1), torch.inference_mode():
            for start in range(0, len(features), ROWS):
                part = slice(start, start + ROWS)
                result[part] = module(torch.from_numpy(features[part])).numpy()
        return result


def fit_head(
    features: Features,
    labels: NDArray[np.int64],
    head: Head,
    classes: int,
    hyper: Hyper,
    seed: int,
    progress: Progress,
    *,
    groups: NDArray[np.int64] | None = None,
    views: Sequence[Features] = (),
) -> FittedHead:
    """Return ``head`` fitted to the ``features`` (images, width) of images with these class indices.

    Images of one of the ``groups`` (images,) are near-identical: they are never on both sides of a split. Without it
    each image is its own. ``views`` are the features of the same images under augmentations, each shaped and ordered as
    ``features``: the views of an image weigh as much as one image together and are never on both sides of a split,
    either, and only the plain features judge. Of ``hyper``, class weights and smoothing are for all heads; epochs,
    batch, rate and patience for those trained by gradients, which are all but a plain linear one. The same input gives
    the same bits on the same machine. Raises UsageError for features that hold no images or are not finite, and for
    batches that are too small for BatchNorm.
    """
    _require_finite(features, *views)
    objective = Objective(class_weights(hyper.class_weights, labels, classes), hyper.smoothing)
    if head == Head():
        fitted = probe.fit(features, labels, classes, seed, progress, groups=groups, views=views, objective=objective)
        tensors = {f"{heads.ONLY}.weight": fitted.weight, f"{heads.ONLY}.bias": fitted.bias}
        return FittedHead(head, tensors, classes, fitted.cross_validated, l2=fitted.l2)
    trained = mlp.fit(features, labels, head, objective, hyper, seed, progress, groups=groups, views=views)
    return FittedHead(head, trained.state, classes, trained.cross_validated, epochs=trained.epochs)


def _require_finite(*views: Features) -> None:
    for view in views:
        # A sum is finite when all its terms are, short of an overflow that no sound network comes near; and it takes
        # no copy of the data.
        if not np.isfinite(view.sum(dtype=np.float64)):
            raise UsageError("The backbone gives features that are no finite numbers. Check its weights.")
