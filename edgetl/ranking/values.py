"""What a ranking is given and what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edgetl import targets
from edgetl.artifacts import Interval, Value
from edgetl.backbones import Backbone
from edgetl.defaults import RANK_S
from edgetl.environments.local import local_command
from edgetl.measure.anchor import Model
from edgetl.measure.statistics import Estimate, wilson

Status = Literal["measured", "unavailable", "not tried"]


@dataclass(frozen=True)
class RankSettings:
    """What to rank, on which images, for whom. ``archs`` of () are all backbones; ``data`` of None is the demo set.

    ``weights`` are names of source weights as users write them: ``imagenet``, ``embedded`` or ``none`` for all
    backbones, or ``ARCH=FILE`` for one. ``time_budget_s`` is roughly for everything; the first backbone is always
    finished. ``worker`` is the command line of the runner that measures.
    """

    data: Path | None = None
    target: str = targets.HOST
    archs: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    time_budget_s: float = RANK_S
    seed: int = 0
    strict: bool = False
    worker: Sequence[str] = field(default_factory=local_command)


class RankRow(Value):
    """A backbone. ``accuracy`` is a fraction of ``images`` that the probe had not seen, with Wilson's 95 % interval,
    which counts near-identical images as one.

    Latency is of one image on the target's first provider, without a head. ``latency_ci_ms`` is relative to the anchor
    (see `measure.anchor`): two rows whose intervals overlap are as fast as each other. ``params`` and ``macs`` are
    those of the original with its 1000 classes.
    """

    arch: str
    weights: str
    params: int
    macs: int
    status: Status
    reason: str
    accuracy: float | None = None
    accuracy_ci: Interval | None = None
    images: int | None = None
    latency_p50_ms: float | None = None
    latency_ci_ms: Interval | None = None
    pareto: bool = False


class RankResult(Value):
    """All backbones asked for: the measured ones, fastest first, then the others, cheapest first.

    ``recommended`` is the fastest that is not provably less accurate than the best. ``is_target`` says whether the
    machine that measured is one that the target describes; ``interrupted`` that the user ended it early.
    """

    data: str
    target: str
    provider: str
    precision: str
    is_target: bool
    recommended: str
    rows: tuple[RankRow, ...]
    machine: dict[str, Any]
    interrupted: bool
    seconds: float


@dataclass(frozen=True)
class Contestant:
    """A backbone and the name of its source weights; ``named`` when the user gave it a file of its own."""

    backbone: Backbone
    weights: str
    named: bool = False

    @property
    def name(self) -> str:
        """The backbone's name."""
        return self.backbone.name


@dataclass(frozen=True)
class Tried:
    """A backbone that was measured: cross-validated images, how many of them were right, and its latency's ratio.

    ``independent`` is how many images without near-identical ones say as much as these: their number if there are none.
    """

    contestant: Contestant
    model: Model
    images: int
    right: int
    independent: float
    ratio: Estimate

    @property
    def accuracy(self) -> float:
        """The share of the images that were right."""
        return self.right / self.images

    @property
    def interval(self) -> Interval:
        """Wilson's 95 % interval of the accuracy; near-identical images say no more than one of them."""
        return wilson(self.accuracy * self.independent, self.independent)
