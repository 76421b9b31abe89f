"""What a fit says of images that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgetl.training.heads import folds


@dataclass(frozen=True, eq=False)
class CrossValidated:
    """Each image's ``logits``, by a fit to other images than it: float32 (images, classes).

    ``rows`` (images,) says which of the images that were given these are; ``labels`` (images,) are their classes.
    Images of one of the ``groups`` (images,) are near-identical.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    logits: NDArray[np.float32]

    @property
    def images(self) -> int:
        """How many images were judged."""
        return len(self.rows)

    @property
    def independent(self) -> float:
        """How many images without near-identical ones would say as much, at the least."""
        return folds.independent(self.groups)

    @property
    def right(self) -> int:
        """How many of them were given their class."""
        return int(np.sum(self.logits.argmax(1) == self.labels))

    @property
    def accuracy(self) -> float:
        """The part of them that was given its class."""
        return self.right / self.images

    @property
    def log_loss(self) -> float:
        """Their mean cross-entropy in nats, each image weighing the same."""
        logits = self.logits.astype(np.float64)
        logits -= logits.max(1, keepdims=True)
        totals = np.log(np.exp(logits).sum(1))
        return float(np.mean(totals - logits[np.arange(self.images), self.labels]))
