"""Running a model in this very process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgetl.device import machine, providers
from edgetl.device.cores import cores_allowed
from edgetl.device.providers.base import Session
from edgetl.device.timing import time_end_to_end, time_inference
from edgetl.device.values import LoadReport, Preprocess, SessionSpec


class Local:
    """A `bundle.verification.Runner` without a process of its own."""

    cores = cores_allowed()
    _session: Session
    _pixels: NDArray[np.uint8]

    def load(self, model: Path, spec: SessionSpec) -> LoadReport:
        """Make a session of a model file; raises ProviderUnavailable, ModelError."""
        self._session = providers.load(model, spec)
        return self._session.report

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32 logits (n, classes) for uint8 pixels (n, h, w, 3)."""
        return self._session.run(pixels)

    def set_input(self, pixels: NDArray[np.uint8]) -> None:
        """Set the batch that `time` runs."""
        self._pixels = pixels

    def time(self, count: int) -> tuple[int, ...]:
        """Return the nanoseconds of each of ``count`` runs of the batch."""
        return tuple(time_inference(self._session, self._pixels, count))

    def end_to_end(self, encoded: Sequence[bytes], preprocess: Preprocess, count: int) -> tuple[int, ...]:
        """Return the nanoseconds from an encoded image to its class, ``count`` times over the images in turn."""
        return tuple(time_end_to_end(self._session, encoded, preprocess, count))

    def peak_rss_bytes(self) -> int:
        """Return the most memory that this process has had resident; 0 where the system does not tell."""
        return machine.peak_rss_bytes()
