"""The power monitors on a Jetson's module, which have no counter: a thread reads them and adds up."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgetl.device.kernel_files import number, text

SAMPLE_S = 0.005

_DRIVERS = "sys/bus/i2c/drivers"
# The rails that together are a module's input. Others are parts of these, and adding them would count twice. VDD_IN is
# that of Orin Nano, Orin NX and Xavier NX, POM_5V_IN that of Nano; AGX Orin has three.
_INPUTS = (("VDD_IN",), ("POM_5V_IN",), ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"))


@dataclass(frozen=True)
class Ina3221:
    """The rails of a Jetson's module: for each the files of its voltage (mV) and its current (mA)."""

    rails: tuple[tuple[Path, Path], ...]
    source: str = "ina3221"

    @classmethod
    def find(cls, root: Path) -> Ina3221 | None:
        """Return the rails that are the module's whole input; None where they are not all there."""
        rails = dict(_labelled(root / _DRIVERS))
        names = next((names for names in _INPUTS if all(name in rails for name in names)), None)
        if names is None:
            return None
        meter = cls(tuple(rails[name] for name in names))
        return meter if meter.watts() is not None else None

    @contextlib.contextmanager
    def running(self) -> Iterator[Callable[[], float | None]]:
        """Measure the block by readings at its start, at its end, and every `SAMPLE_S` by a thread of its own."""
        samples: list[tuple[int, float]] = []
        end = threading.Event()

        def sample() -> None:
            while not end.wait(SAMPLE_S):
                self._take(samples)

        self._take(samples)
        thread = threading.Thread(target=sample, daemon=True)
        thread.start()
        try:
            yield lambda: trapezoids(samples)
        finally:
            end.set()
            thread.join()
        self._take(samples)

    def watts(self) -> float | None:
        """Return the power of all rails at this moment; None where one cannot be read."""
        readings = [(number(voltage), number(current)) for voltage, current in self.rails]
        if any(millivolts is None or milliamperes is None for millivolts, milliamperes in readings):
            return None
        return sum((millivolts or 0) * (milliamperes or 0) for millivolts, milliamperes in readings) / 1e6

    def _take(self, samples: list[tuple[int, float]]) -> None:
        # Reading takes a while (it goes over a bus), and what is read is of some moment in it.
        start = time.monotonic_ns()
        watts = self.watts()
        if watts is not None:
            samples.append(((start + time.monotonic_ns()) // 2, watts))


def trapezoids(samples: Iterable[tuple[int, float]]) -> float | None:
    """Return the joules under ``samples`` of (ns, W), joined by straight lines; None for fewer than two."""
    taken = list(samples)
    if len(taken) < 2:
        return None
    pairs = itertools.pairwise(taken)
    return sum((late - early) * (first + second) / 2 for (early, first), (late, second) in pairs) / 1e9


def _labelled(drivers: Path) -> Iterator[tuple[str, tuple[Path, Path]]]:
    for label in sorted(drivers.glob("ina3221*/*/hwmon/hwmon*/in*_label")):
        channel = label.name.removeprefix("in").removesuffix("_label")
        yield text(label), (label.with_name(f"in{channel}_input"), label.with_name(f"curr{channel}_input"))
