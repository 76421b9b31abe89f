"""What every provider gives: a session that runs batches and says what it really is."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgetl.device.values import LoadReport, SessionSpec

Pixels = NDArray[np.uint8]
Logits = NDArray[np.float32]

# Those that a provider translates into the engine's own terms.
_OWN_OPTIONS = ("batch", "streams")


class ProviderUnavailable(RuntimeError):  # noqa: N818 - a state of the machine, told in a row, not a fault
    """The provider cannot run here; the message says why and what to do."""


class ModelError(ValueError):
    """The engine is there but does not run this model; the message says why."""


class Session(Protocol):
    """A model ready to run."""

    @property
    def report(self) -> LoadReport:
        """What really runs."""

    def run(self, pixels: Pixels) -> Logits:
        """Return float32 logits of shape (n, classes) for uint8 pixels of shape (n, h, w, 3)."""

    def stream(self) -> Callable[[Pixels], Logits]:
        """Return something else that runs as `run` does, for a thread of its own beside those that run others."""

    def clock(self) -> int:
        """Return the time in nanoseconds that timings of this session are read from."""


@dataclass(frozen=True)
class EngineSession:
    """A session of a real engine. ``infer`` runs one batch of exactly ``batch`` images (any number when None).

    ``another`` gives a further ``infer`` that several threads can use side by side; None says that they can share one.

    Engines are told one batch size, since a graph of known shapes runs faster (OpenVINO: MobileNetV2 by 17 %) and
    keeps no shape arithmetic that a GPU would leave to the CPU. Other numbers go through in batches of that size.
    """

    report: LoadReport
    infer: Callable[[Pixels], Logits]
    batch: int | None
    another: Callable[[], Callable[[Pixels], Logits]] | None = None

    clock = staticmethod(time.perf_counter_ns)

    def run(self, pixels: Pixels) -> Logits:
        """Return float32 logits of shape (n, classes); the last batch is filled up and the filling cut off."""
        if self.batch is None or len(pixels) == self.batch:
            return self.infer(pixels)
        return np.concatenate([self._part(pixels[i : i + self.batch]) for i in range(0, len(pixels), self.batch)])

    def stream(self) -> Callable[[Pixels], Logits]:
        """Return what runs batches as `run` does, beside others and in a thread of its own."""
        return self.run if self.another is None else dataclasses.replace(self, infer=self.another()).run

    def _part(self, pixels: Pixels) -> Logits:
        missing = (self.batch or 0) - len(pixels)
        if not missing:
            return self.infer(pixels)
        filled = np.concatenate([pixels, np.zeros((missing, *pixels.shape[1:]), np.uint8)])
        return self.infer(filled)[: len(pixels)]


def check_input(shape: tuple[int | None, ...], dtype: str) -> None:
    """Raise ModelError unless the model takes images as this program makes them."""
    if dtype != "uint8" or len(shape) != 4 or shape[3] != 3:
        text = " x ".join("?" if side is None else str(side) for side in shape)
        raise ModelError(
            f"The model takes {dtype} of {text}; the runner feeds uint8 images of batch x height x width x 3. "
            "Export it with `edgetl export`, which puts the normalization inside."
        )


def batch_of(spec: SessionSpec) -> int:
    """Return the batch size to prepare the engine for: option ``batch``, else 1."""
    return _at_least_one(spec, "batch")


def streams_of(spec: SessionSpec) -> int:
    """Return the number of batches to prepare the engine for running at the same time: option ``streams``, else 1."""
    return _at_least_one(spec, "streams")


def engine_options(spec: SessionSpec) -> Mapping[str, str]:
    """Return the options meant for the engine itself."""
    return {name: value for name, value in spec.options.items() if name not in _OWN_OPTIONS}


def _at_least_one(spec: SessionSpec, name: str) -> int:
    text = spec.options.get(name, "1")
    if not text.isdecimal() or int(text) < 1:
        raise ModelError(f"Option '{name}' must be a whole number of at least 1, not '{text}'.")
    return int(text)


def sentence(error: BaseException) -> str:
    """Return an engine's error as one line of at most 300 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
