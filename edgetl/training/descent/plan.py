"""The values around the loop of a training by gradients: what it is given and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgetl.progress import Progress
from edgetl.training.descent.checkpoint import State
from edgetl.training.descent.optimizer import Group
from edgetl.training.distributed import ALONE, World
from edgetl.training.hyper import BatchNorm
from edgetl.training.inputs.feed import Inputs
from edgetl.training.objective import Objective

# Why a training ended.
PATIENCE, TIME, INTERRUPTED, EPOCHS = "patience", "time", "interrupted", "epochs"


@dataclass(frozen=True)
class Examples:
    """Images as a module's inputs, and their class indices, int64 (images,)."""

    inputs: Inputs
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """What decides the result: see `Hyper`. A training stops after ``patience`` epochs that are not the best."""

    groups: tuple[Group, ...]
    objective: Objective
    epochs: int
    batch: int
    patience: int
    batchnorm: BatchNorm
    seed: int


@dataclass(frozen=True)
class Session:
    """Where and how a training runs. ``key`` is the hash of all that decides its result, for its checkpoint.

    No epoch is begun after ``budget_s`` seconds, nor one that would probably end later; at least one is trained.
    """

    folder: Path
    key: str
    progress: Progress
    resume: bool = False
    world: World = ALONE
    budget_s: float | None = None


@dataclass(frozen=True)
class Outcome:
    """The weights of the best epoch (on the CPU) and what the stopping images say of it.

    ``logits`` are of the best epoch, float32 (images, classes). ``losses`` and ``errors`` are float64 (epochs + 1,
    images), of each image after each epoch: the objective, and half the Brier score (see `ladder`), which takes no
    heed of class weights and smoothing. ``ended`` is one of PATIENCE, TIME,
    INTERRUPTED, EPOCHS.
    """

    state: State
    best_epoch: int
    epochs: int
    logits: NDArray[np.float32]
    losses: NDArray[np.float64]
    errors: NDArray[np.float64]
    seconds: float
    ended: str
