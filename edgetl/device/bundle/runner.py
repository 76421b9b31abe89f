"""What a bundle's model is run by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgetl.device.values import LoadReport, Preprocess, SessionSpec

Logits = NDArray[np.float32]


class Runner(Protocol):
    """What runs models: this very process, or a worker somewhere else. Times are in nanoseconds."""

    @property
    def cores(self) -> int:
        """How many cores it may use."""

    def load(self, model: Path, spec: SessionSpec) -> LoadReport:
        """Make a session of a model file."""

    def logits(self, pixels: NDArray[np.uint8]) -> Logits:
        """Return float32 logits (n, classes) for uint8 pixels (n, h, w, 3)."""

    def set_input(self, pixels: NDArray[np.uint8]) -> None:
        """Set the batch that `time` runs."""

    def time(self, count: int) -> tuple[int, ...]:
        """Return the time of each of ``count`` runs."""

    def end_to_end(self, encoded: Sequence[bytes], preprocess: Preprocess, count: int) -> tuple[int, ...]:
        """Return the time of each of ``count`` ways from an encoded image to its class."""

    def peak_rss_bytes(self) -> int:
        """Return the most memory that the process has had resident; 0 where that is not told."""
