"""What state this machine is in at this moment: counters that a host reads before and after it measures.

Facts only, from /proc and /sys; what a system does not tell is None.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgetl.device.cores import ROOT, cgroup_folders
from edgetl.device.kernel_files import text as text_of

# The columns of /proc/stat's first line.
_COLUMNS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_AT_REST = ("idle", "iowait", "steal")


def condition(root: Path = ROOT) -> dict[str, Any]:
    """Return the machine's counters and gauges as plain JSON data.

    Counters, of which differences mean something: ``time_ns``, ``own_ns`` (this process's own time on processors),
    ``busy_s`` and ``steal_s`` (all processors together; stolen is what a hypervisor gave to others), ``throttled_s``
    (how long the cgroup's quota stopped its processes). Gauges: ``load`` (processes ready to run, mean of a minute),
    ``frequency_mhz`` ([lowest, highest] of the processors now), ``temperature_c`` (the hottest) and ``governor``.
    """
    spent = _spent_s(root)
    return {
        "time_ns": time.monotonic_ns(),
        "own_ns": time.process_time_ns(),
        "busy_s": None if spent is None else sum(spent[name] for name in spent if name not in _AT_REST),
        "steal_s": None if spent is None else spent["steal"],
        "throttled_s": throttled_s(root),
        "load": load(root),
        "frequency_mhz": frequencies_mhz(root),
        "temperature_c": temperature_c(root),
        "governor": text_of(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or None,
    }


def throttled_s(root: Path = ROOT) -> float | None:
    """Return for how long in all quotas of the cgroup and its ancestors have stopped it; None without such a counter.

    Each processor that stood still counts for itself.
    """
    # A group's own counter stays at 0 where an ancestor has the quota. One folder may have several names.
    folders = {folder.resolve() for folder in cgroup_folders(root)}
    times = [spent for folder in folders if (spent := _throttled_s(text_of(folder / "cpu.stat"))) is not None]
    return sum(times) if times else None


def _throttled_s(stat: str) -> float | None:
    """Return the time in a cgroup's ``cpu.stat``, which version 2 has in microseconds and version 1 in nanoseconds."""
    if found := re.search(r"^throttled_usec (\d+)$", stat, re.MULTILINE):
        return int(found[1]) / 1e6
    if found := re.search(r"^throttled_time (\d+)$", stat, re.MULTILINE):
        return int(found[1]) / 1e9
    return None


def load(root: Path = ROOT) -> float | None:
    """Return how many processes were ready to run, the mean of the last minute."""
    first = text_of(root / "proc/loadavg").partition(" ")[0]
    return float(first) if re.fullmatch(r"\d+\.\d+", first) else None


def frequencies_mhz(root: Path = ROOT) -> list[float] | None:
    """Return the lowest and the highest clock rate of any processor at this moment."""
    cpus = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")
    rates = [int(text) / 1000 for text in map(text_of, cpus) if text.isdigit()]
    if not rates:
        rates = [float(each) for each in re.findall(r"^cpu MHz\s*: ([\d.]+)", text_of(root / "proc/cpuinfo"), re.M)]
    return [min(rates), max(rates)] if rates else None


def temperature_c(root: Path = ROOT) -> float | None:
    """Return the temperature of the hottest thermal zone."""
    return max(_temperatures(root), default=None)


def _temperatures(root: Path) -> Iterator[float]:
    for path in (root / "sys/class/thermal").glob("thermal_zone*/temp"):
        text = text_of(path)
        # Sensors that are switched off read 0 or below the coldest winter.
        if re.fullmatch(r"-?\d+", text) and int(text) > 0:
            yield int(text) / 1000


def _spent_s(root: Path) -> dict[str, float] | None:
    first = text_of(root / "proc/stat").partition("\n")[0].split()
    if len(first) < len(_COLUMNS) + 1 or first[0] != "cpu":
        return None
    tick = os.sysconf("SC_CLK_TCK")
    return {name: int(count) / tick for name, count in zip(_COLUMNS, first[1:], strict=False)}
