"""All that a report is made from: plain, frozen data. None and empty stand for what a run does not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from edgetl.artifacts import BenchResult, CheckResult, ExportResult, FinetuneResult, QuantizeResult
from edgetl.dataset import Dataset
from edgetl.evaluation import Evaluation
from edgetl.measure.statistics import Estimate
from edgetl.training.descent.metrics import EpochMetrics

if TYPE_CHECKING:
    # Its package needs an engine; a report does not.
    from edgetl.quantization.explain.values import Explanation

State = Literal["unchanged", "changed", "missing"]
Role = Literal["baseline", "candidate"]
# Which stage; empty where none did.
TimedBy = Literal["check", "bench", ""]


@dataclass(frozen=True)
class Photo:
    """A thumbnail, or why there is none: then ``jpeg`` is None and ``missing`` a sentence."""

    jpeg: bytes | None
    missing: str = ""


@dataclass(frozen=True)
class Latencies:
    """All timed runs of a model, in ms, and its percentiles over the launches; None where there were too few runs."""

    role: Role
    name: str
    runs_ms: tuple[float, ...]
    p50: Estimate
    p90: Estimate | None
    p99: Estimate | None


@dataclass(frozen=True)
class Curve:
    """The epochs of one training; ``name`` tells it from others of the run."""

    name: str
    epochs: tuple[EpochMetrics, ...]


@dataclass(frozen=True)
class Link:
    """A file of a run, what made it, the SHA-256 that was written down, and whether the file still has it.

    ``parent`` is the SHA-256 of what it was made from, empty for what begins the chain.
    """

    what: str
    file: str
    command: str
    sha256: str
    parent: str
    state: State


@dataclass(frozen=True)
class Gathered:
    """What a run's folder holds. ``name`` is the folder as a person names it.

    ``timed`` are the baseline's and the candidate's runs as the stage ``timed_by`` timed them. ``photos`` are by
    their path in the data set. ``unexplained`` says why there is no ``explanation``.
    """

    name: str
    finetune: FinetuneResult | None = None
    evaluation: Evaluation | None = None
    export: ExportResult | None = None
    quantize: QuantizeResult | None = None
    bench: BenchResult | None = None
    check: CheckResult | None = None
    dataset: Dataset | None = None
    curves: tuple[Curve, ...] = ()
    timed: tuple[Latencies, ...] = ()
    timed_by: TimedBy = ""
    photos: Mapping[str, Photo] = field(default_factory=dict)
    explanation: Explanation | None = None
    unexplained: str = ""
    chain: tuple[Link, ...] = ()
