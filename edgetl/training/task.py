"""What a strategy is given and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from edgetl.backbones import Backbone
from edgetl.dataset import Dataset
from edgetl.heads import Head
from edgetl.progress import Progress
from edgetl.training.distributed import ALONE, World
from edgetl.training.hyper import Hyper
from edgetl.training.phases import Phases
from edgetl.weights import Weights

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Task:
    """What to train: a backbone from its source weights, and a new head, on the images of a data set.

    ``folder`` is where a long training keeps its checkpoint and metrics; ``resume`` continues from what is there.
    ``time_budget_s`` is roughly how long a training may take, None for as long as it takes.
    """

    dataset: Dataset
    backbone: Backbone
    weights: Weights
    head: Head
    seed: int
    progress: Progress
    phases: Phases
    folder: Path
    hyper: Hyper = field(default_factory=Hyper)
    resume: bool = False
    time_budget_s: float | None = None
    world: World = ALONE


@dataclass(frozen=True)
class Unseen:
    """Logits of images that neither the head was fitted to nor anything is judged by; ``what`` they are."""

    logits: Logits
    labels: NDArray[np.int64]
    what: str


@dataclass(frozen=True)
class Trained:
    """A trained network's ``tensors`` (names as in a classifier file) and its logits, float32 (images, classes).

    ``train_logits`` and ``val_logits`` are of the data set's whole train and val splits, without augmentation.
    ``unseen`` says how sure it may be, None where there are no such images. ``notes`` are the decisions made on the
    way, for the result (epochs, best epoch, strategy chosen by auto, ...). ``interrupted`` says that the user stopped a
    training whose best so far this is.
    """

    tensors: Mapping[str, Tensor]
    train_logits: Logits
    val_logits: Logits
    notes: Mapping[str, float | int | str] = field(default_factory=dict)
    interrupted: bool = False
    unseen: Unseen | None = None
