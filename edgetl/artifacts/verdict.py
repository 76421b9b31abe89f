"""What the gate gives: a verdict, and what it rests on."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from edgetl.artifacts.base import Artifact, Interval, LabelledBy, Value
from edgetl.artifacts.measurements import State

Outcome = Literal["pass", "fail", "inconclusive"]


class Latency(Value):
    """The candidate's latency over the baseline's: ``ratio`` with its interval, against the largest allowed."""

    ratio: float
    ci: Interval
    budget: float


class Flip(Value):
    """An image whose predicted class the candidate changed."""

    path: str
    label: str
    baseline: str
    candidate: str


class ClassResult(Value):
    """Top-1 of both on the ``images`` of a class, as fractions; ``drop`` with the interval of its paired difference."""

    name: str
    images: int
    baseline: float
    candidate: float
    drop: float
    ci: Interval


class Accuracy(Value):
    """Paired top-1 on the same images: ``drop`` is baseline minus candidate with its interval, as fractions.

    ``lost`` images only the baseline had right, ``won`` only the candidate: the discordant ones. ``mcnemar_p`` is the
    exact two-sided probability of so uneven a split of them by chance. ``classes`` stand from the largest drop to the
    smallest. ``images_needed`` is how many images in all would settle the verdict, None where it is settled, or where
    no number would do. Where the images were ``labelled_by`` the baseline itself, accuracy is agreement with it.
    """

    images: int
    labelled_by: LabelledBy
    baseline: float
    candidate: float
    drop: float
    ci: Interval
    agreement: float
    flips: tuple[Flip, ...]
    budget: float
    lost: int
    won: int
    mcnemar_p: float
    classes: tuple[ClassResult, ...]
    images_needed: int | None


class Finding(Value):
    """What one budget of a target says of a candidate.

    ``budget`` is its key in the target file, such as ``latency_p90_ms``; ``quantity`` the same for people. ``value`` is
    what was judged, with its interval ``ci``, against ``limit``, all in ``unit``: ``x`` (candidate over baseline),
    ``ms``, ``MB`` or ``points`` (of accuracy, 0 to 100). ``baseline`` and ``candidate`` are the two figures behind a
    ratio or a drop, where there are such. ``reason`` is one sentence with the numbers.
    """

    budget: str
    quantity: str
    outcome: Outcome
    value: float
    ci: Interval
    limit: float
    unit: Literal["x", "ms", "MB", "points"]
    baseline: float | None = None
    candidate: float | None = None
    reason: str


class CheckResult(Artifact):
    """The verdict on a candidate: ``pass``, ``fail`` or ``inconclusive``, and why.

    ``findings`` has one entry for each budget, the deciding ones first, each judged at ``confidence``; ``reasons`` are
    their sentences and what the machine did to them. ``noise_floor`` is the interval of the latency ratio of two
    processes of the baseline itself; ``launches`` how often all processes were started. ``state`` is what the machine
    was doing meanwhile.
    """

    FILE: ClassVar[str] = "check.json"

    verdict: Outcome
    reasons: tuple[str, ...]
    confidence: float
    target: str
    baseline: str
    candidate: str
    findings: tuple[Finding, ...]
    latency: Latency
    accuracy: Accuracy
    noise_floor: Interval
    launches: int
    machine: dict[str, Any]
    state: State
    timings: str
