"""The energy counters in processors of Intel and AMD, which Linux shows as its power capping zones (RAPL)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgetl.device.kernel_files import number, text

_ZONES = "sys/class/powercap"


@dataclass(frozen=True)
class Rapl:
    """The packages' energy counters (Intel and AMD), in microjoules: each folder and where its counter starts anew."""

    zones: tuple[tuple[Path, int | None], ...]
    source: str = "rapl"

    @classmethod
    def find(cls, root: Path) -> Rapl | None:
        """Return the counters of all packages; None without any, and where one may not be read (most need root)."""
        folders = [folder for folder in sorted((root / _ZONES).glob("intel-rapl:*")) if _is_package(folder)]
        if not folders or any(number(folder / "energy_uj") is None for folder in folders):
            return None
        return cls(tuple((folder, number(folder / "max_energy_range_uj")) for folder in folders))

    @contextlib.contextmanager
    def running(self) -> Iterator[Callable[[], float | None]]:
        """Measure the block, during which a counter may start anew once: with 250 W after a quarter of an hour."""
        before = self._read()
        after: list[int | None] = []
        yield lambda: self._joules(before, after)
        after += self._read()

    def _read(self) -> list[int | None]:
        return [number(folder / "energy_uj") for folder, _ in self.zones]

    def _joules(self, before: Sequence[int | None], after: Sequence[int | None]) -> float | None:
        total = 0
        for (_, around), first, last in zip(self.zones, before, after, strict=True):
            if first is None or last is None or (last < first and around is None):
                return None
            total += last - first if last >= first else last - first + (around or 0)
        return total / 1e6


def _is_package(folder: Path) -> bool:
    """Return whether a zone is a processor's package: others are parts of one, or hold the whole platform."""
    return folder.name.removeprefix("intel-rapl:").isdigit() and text(folder / "name").startswith("package")
