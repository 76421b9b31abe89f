"""What runs a network: torch, and ONNX Runtime through edgetl's own runner; all as sessions of the runner."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.cuda.limits import exact
from benchmarks.cuda.networks import Images, Pixels
from benchmarks.cuda.scale import Scale
from edgetl.device import providers
from edgetl.device.providers.base import Logits, Session
from edgetl.device.values import SessionSpec

# How images come to a run: in arrays of the caller's, in fixed buffers that are copied to the device, or lying there.
CALL, COPIES, DEVICE = "call", "copies", "device"


@dataclass(frozen=True)
class Candidate:
    """A file on ONNX Runtime: ``file`` names how it was made, ``precision`` is what is computed in."""

    file: str
    precision: str
    path: Path
    setting: str = ""
    options: Mapping[str, str] | None = None
    provider: str = ""

    def open(self, scale: Scale, batch: int, binding: str, streams: int = 1) -> Session:
        """Return its session; raises ProviderUnavailable and ModelError."""
        options = {"batch": str(batch), "streams": str(streams), **(self.options or {})}
        if binding != CALL:
            options["binding"] = binding
        # TF32 is fp32 to the runner: it is the way in which a file of floats is computed.
        precision = "fp32" if self.precision == "TF32" else self.precision
        return providers.load(self.path, SessionSpec(self.provider or scale.provider, precision, 0, options))


class Torch:
    """A network on torch as a session, with what the runner's loops need of one.

    The logits come back to the host in every run, as they do from the runner's own sessions.
    """

    def __init__(self, images: Images, device: str, *, tf32: bool, resident: bool) -> None:
        self._images, self._device, self._tf32, self._resident = images, device, tf32, resident
        self._last: Pixels | None = None
        self._tensor = torch.empty(0)

    clock = staticmethod(time.perf_counter_ns)

    def run(self, pixels: Pixels) -> Logits:
        """Return float32 logits (n, classes)."""
        exact(self._tf32)
        if not (self._resident and pixels is self._last):
            self._tensor, self._last = torch.from_numpy(pixels).to(self._device), pixels
        with torch.inference_mode():
            logits: Logits = self._images(self._tensor).cpu().numpy()
        return np.array(logits)


def eager(images: Images, scale: Scale) -> Images:
    """Return the network on the device, with the layout that its convolutions are fastest in."""
    return images.to(scale.device).to(memory_format=torch.channels_last)


def compiled(images: Images, scale: Scale) -> Images:
    """Return the network compiled for the shapes that it is run with."""
    backend, mode = scale.compiler
    found: Images = torch.compile(eager(images, scale), backend=backend, mode=mode, dynamic=False)
    return found
