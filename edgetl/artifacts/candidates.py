"""What quantizing gives: the candidates of a target, and which of them is chosen."""

from __future__ import annotations

from typing import ClassVar, Literal

import pydantic

from edgetl.artifacts.base import Artifact, Interval, LabelledBy, Value

Status = Literal["baseline", "chosen", "accepted", "rejected", "unavailable", "skipped"]


class Candidate(Value):
    """A model file on a provider in a precision. Latency is of one image, inference alone.

    ``speedup`` is the baseline's latency over this one's, with its 95 % interval; ``images`` is how many it was judged
    by: a hopeless one sees few, and what they leave in doubt is judged by more. ``agreement`` is the share of them
    with the baseline's top-1; ``distance`` how far the probabilities lie from the baseline's (the mean Hellinger
    distance, 0 to 1); ``float_nodes`` are nodes that were left in float on purpose; ``options`` are the session's.
    """

    name: str
    path: str
    sha256: str
    provider: str
    precision: str
    recipe: str | None = None
    float_nodes: tuple[str, ...] = ()
    options: dict[str, str] = pydantic.Field(default_factory=dict)
    size_bytes: int
    images: int | None = None
    accuracy: float | None = None
    agreement: float | None = None
    distance: float | None = None
    latency_p50_ms: float | None = None
    speedup: float | None = None
    speedup_ci: Interval | None = None
    status: Status
    reason: str


class QuantizeResult(Artifact):
    """All candidates of a target, and the name of the chosen one.

    ``images`` is how many they were chosen by. Where these were ``labelled_by`` the fp32 model itself, accuracy is
    agreement with it. ``cut_short_s`` is the time that the search was given where it left out candidates or images for
    that; None where more time would have changed nothing.
    """

    FILE: ClassVar[str] = "quantize.json"

    target: str
    chosen: str
    measured_on: str
    images: int
    labelled_by: LabelledBy = "people"
    cut_short_s: float | None = None
    candidates: tuple[Candidate, ...]
    timings: str
    parent_sha256: str

    def holds_for(self, time_budget_s: float) -> bool:
        """Return whether a search of so many seconds would find no more."""
        return self.cut_short_s is None or time_budget_s <= self.cut_short_s

    def candidate(self, name: str) -> Candidate:
        """Return the candidate of that name; raises KeyError."""
        return {candidate.name: candidate for candidate in self.candidates}[name]
