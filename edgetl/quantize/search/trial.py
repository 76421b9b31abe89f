"""What is known of one candidate after it was tried."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgetl.measure.accuracy import PairedAccuracy
from edgetl.measure.statistics import Estimate
from edgetl.targets import TargetCandidate


@dataclass(frozen=True)
class Setback:
    """Why a candidate could not be tried to the end: it cannot run here, or it does not do what it should."""

    status: Literal["rejected", "unavailable"]
    reason: str


@dataclass(frozen=True)
class Trial:
    """One candidate: its file (None if none could be made) and how far it came.

    ``latency`` is its ratio to the baseline's, widened by the noise floor; ``latency_p50_ns`` the median run.
    """

    candidate: TargetCandidate
    model: Path | None = None
    accuracy: PairedAccuracy | None = None
    latency: Estimate | None = None
    latency_p50_ns: float | None = None
    setback: Setback | None = None
