"""What a training by gradients minimizes: cross-entropy, with weights for classes and smoothed labels on request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from edgetl.training.hyper import ClassWeights


@dataclass(frozen=True)
class Objective:
    """The loss of single images: ``smoothing`` is spread over all classes, ``weights`` are one for each class."""

    weights: tuple[float, ...]
    smoothing: float = 0.0

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each image, float32 (N,), for ``logits`` (N, classes) and class indices (N,)."""
        losses = functional.cross_entropy(logits.float(), labels, reduction="none", label_smoothing=self.smoothing)
        # By the image's own class alone: torch's `weight` would weigh each part of a smoothed label by its own class.
        return losses * torch.tensor(self.weights, device=logits.device)[labels]

    def shares(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return what each image adds to the mean loss of these images, times their number, float64 (N,).

        Their mean is that loss: weighted by the images' weights, whichever classes there are more of.
        """
        mean = torch.tensor(self.weights, dtype=torch.float64)[labels.cpu()].mean()
        return self(logits, labels).double() / mean


def class_weights(kind: ClassWeights, labels: NDArray[np.int64], classes: int) -> tuple[float, ...]:
    """Return a weight for each class, 1 on average over the images of these ``labels``.

    ``balanced`` is inversely proportional to how often a class occurs, as in scikit-learn; a class that does not occur
    weighs nothing.
    """
    if kind == "none":
        return (1.0,) * classes
    counts = np.bincount(labels, minlength=classes)
    present = int(np.count_nonzero(counts))
    return tuple(float(len(labels) / (present * count)) if count else 0.0 for count in counts)
