"""The energy counter of an NVIDIA GPU, asked of the library that its driver brings."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Nvml:
    """The energy counter of an NVIDIA GPU, in millijoules since its driver was loaded."""

    library: Any
    device: ctypes.c_void_p
    source: str = "nvml"

    @classmethod
    def find(cls, root: Path) -> Nvml | None:  # noqa: ARG003 - asked of a library, not of files
        """Return the counter of this machine's only GPU; None without one, and where it has none (before Volta)."""
        try:
            return cls.of(ctypes.CDLL("libnvidia-ml.so.1"))
        except OSError:
            return None

    @classmethod
    def of(cls, library: Any) -> Nvml | None:
        """Return the counter that NVML's ``library`` has; None also for several GPUs: which of them runs is unknown."""
        count, device = ctypes.c_uint(), ctypes.c_void_p()
        try:
            if library.nvmlInit_v2() != 0:
                return None
            # From here it stays initialized as long as the process lives.
            if library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0 or count.value != 1:
                return None
            if library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device)) != 0:
                return None
        except AttributeError:
            return None
        meter = cls(library, device)
        return meter if meter._read() is not None else None

    @contextlib.contextmanager
    def running(self) -> Iterator[Callable[[], float | None]]:
        """Measure the block, which should last some seconds: the driver updates the counter only now and then."""
        before = self._read()
        after: list[int | None] = []
        yield lambda: None if before is None or after[0] is None else (after[0] - before) / 1e3
        after.append(self._read())

    def _read(self) -> int | None:
        millijoules = ctypes.c_ulonglong()
        try:
            failed = self.library.nvmlDeviceGetTotalEnergyConsumption(self.device, ctypes.byref(millijoules))
        except AttributeError:
            return None
        return None if failed else millijoules.value
