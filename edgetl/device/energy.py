"""What a block of work costs in joules, where the machine measures that.

Every meter counts all that happens on what it measures: other programs, and what it draws idle, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from edgetl.device.cores import ROOT
from edgetl.device.meters.ina3221 import Ina3221
from edgetl.device.meters.nvml import Nvml
from edgetl.device.meters.rapl import Rapl
from edgetl.device.values import Energy


class Meter(Protocol):
    """Something that says what was consumed."""

    @property
    def source(self) -> str:
        """What is read: ``rapl``, ``ina3221`` or ``nvml``."""

    def running(self) -> contextlib.AbstractContextManager[Callable[[], float | None]]:
        """Measure the block; what it yields then returns its joules, None where a reading failed."""


def energy_of(block: Callable[[], object], meter: Meter | None, clock: Callable[[], int]) -> Energy:
    """Run ``block`` once and return what it consumed, all None where there is no ``meter``; ``clock`` is in ns."""
    if meter is None:
        start = clock()
        block()
        return Energy(None, None, (clock() - start) / 1e9)
    with meter.running() as joules:
        start = clock()
        block()
        end = clock()
    consumed = joules()
    return Energy(consumed, None if consumed is None else meter.source, (end - start) / 1e9)


def meter_for(provider: str, root: Path = ROOT) -> Meter | None:
    """Return what measures the work of ``provider`` on this machine; None where nothing does, or may be read.

    ``root`` is the folder that holds ``sys``.
    """
    return next((meter for find in _METERS.get(provider, _OF_THE_CPU) if (meter := find(root)) is not None), None)


# What measures the work of each provider, the first that there is. A counter of the CPU's packages would leave a GPU's
# share out; a board's rails have it in. The scripted engine consumes nothing.
_OF_THE_CPU: Sequence[Callable[[Path], Meter | None]] = (Rapl.find, Ina3221.find)
_OF_A_GPU: Sequence[Callable[[Path], Meter | None]] = (Nvml.find, Ina3221.find)
_METERS: Mapping[str, Sequence[Callable[[Path], Meter | None]]] = {
    "cuda": _OF_A_GPU,
    "tensorrt": _OF_A_GPU,
    "fake": (),
}
