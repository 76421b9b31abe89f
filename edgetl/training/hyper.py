"""The hyperparameters of a training, as the user gives them: None leaves the choice to the strategy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BatchNorm = Literal["frozen", "train"]
ClassWeights = Literal["none", "balanced"]


@dataclass(frozen=True)
class Hyper:
    """How to train.

    ``stages`` is how many of the backbone's last stages are unfrozen, ``rate`` the head's learning rate (the backbone's
    is smaller), ``batchnorm`` whether the statistics of BatchNorm in unfrozen stages stay or are learnt, ``smoothing``
    the share of a label that is spread over all classes, ``augment`` a name in `augment.AUGMENTATIONS`, ``views`` how
    many augmented views of each training image the probe sees besides the plain one, ``patience`` after how many
    epochs without a better validation loss training stops.
    """

    epochs: int | None = None
    batch: int | None = None
    rate: float | None = None
    stages: int | None = None
    batchnorm: BatchNorm | None = None
    class_weights: ClassWeights = "none"
    smoothing: float = 0.0
    augment: str | None = None
    views: int = 0
    patience: int | None = None
