"""What is known of one candidate after it was tried."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgetl.measure.accuracy import PairedAccuracy
from edgetl.measure.statistics import Estimate
from edgetl.quantization.setback import Setback
from edgetl.recipes import Recipe
from edgetl.targets import TargetCandidate


@dataclass(frozen=True)
class Trial:
    """One candidate: its file (None if none could be made) and how far it came.

    ``recipe`` is what the file was made by (None: it is the fp32 file). ``distance`` is how far its probabilities lie
    from the baseline's on the images of ``accuracy``, see `hellinger`. ``latency`` is its ratio to the baseline's,
    widened by the noise floor; ``latency_p50_ns`` the median run. ``same_logits`` says that its logits are the
    baseline's up to rounding. A ``finalist`` was timed beside the other fast ones.
    """

    candidate: TargetCandidate
    model: Path | None = None
    recipe: Recipe | None = None
    accuracy: PairedAccuracy | None = None
    distance: float | None = None
    same_logits: bool = False
    latency: Estimate | None = None
    latency_p50_ns: float | None = None
    finalist: bool = False
    setback: Setback | None = None

    @property
    def name(self) -> str:
        """The candidate's name."""
        return self.candidate.name

    @property
    def untried(self) -> bool:
        """Whether nothing is known of it: the time was over."""
        return self.setback is None and self.latency is None and self.accuracy is None

    @property
    def ratio(self) -> float:
        """Its latency over the baseline's; infinite for what was not timed."""
        return self.latency.value if self.latency else float("inf")
