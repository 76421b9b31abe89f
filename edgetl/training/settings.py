"""What a training is told: the data, the model, the strategy and its hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edgetl import weights
from edgetl.defaults import ADAPT_METHOD, ARCH, HEAD, STRATEGY
from edgetl.training.hyper import Hyper


@dataclass(frozen=True)
class Adapt:
    """Another domain to adapt to: a folder of unlabelled images, and labelled ones to report on where there are any."""

    to: Path
    check: Path | None = None
    method: str = ADAPT_METHOD


@dataclass(frozen=True)
class FinetuneSettings:
    """What to train, and the run's folder. ``data`` of None is the demo set; for ``weights`` of None see ``source``.

    ``resume`` goes on from the checkpoint of an interrupted training; ``time_budget_s`` is roughly for the training.
    """

    run: Path
    data: Path | None = None
    arch: str = ARCH
    weights: str | None = None
    strategy: str = STRATEGY
    head: str = HEAD
    seed: int = 0
    strict: bool = False
    hyper: Hyper = field(default_factory=Hyper)
    time_budget_s: float | None = None
    resume: bool = False
    adapt: Adapt | None = None

    @property
    def source(self) -> str:
        """The name of the source weights."""
        if self.weights is None and self.strategy == "scratch":
            return weights.NONE
        return self.weights or weights.default(self.data, self.arch)
