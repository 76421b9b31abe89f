"""How many cores this process may really use: the affinity mask and the cgroup's quota, not the host's count."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edgetl.device.kernel_files import text as text_of

ROOT = Path("/")


def cores_allowed(root: Path = ROOT, affinity: int | None = None) -> int:
    """Return the number of threads that can run at once, at least 1.

    ``root`` is the folder that holds ``proc`` and ``sys``; ``affinity`` the cores of the mask (asked of the system when
    None). A quota of 1.5 cores counts as 1: two busy threads would be stopped for a quarter of each period.
    """
    cores = _affinity() if affinity is None else affinity
    quota = cpu_quota(root)
    return max(1, cores if quota is None else min(cores, int(quota)))


def cpu_quota(root: Path = ROOT) -> float | None:
    """Return the smallest CPU quota of this process's cgroup (v2 or v1) and its ancestors, in cores; None for none."""
    return min(_quotas(root), default=None)


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cgroup_folders(root: Path = ROOT) -> Iterator[Path]:
    """Yield the folders that may say what this process's cgroup (v2 or v1) and its ancestors get of the processors."""
    mounts = root / "sys/fs/cgroup"
    for line in text_of(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            yield from _upwards(mounts, path)
        elif "cpu" in controllers.split(","):
            for name in dict.fromkeys((controllers, "cpu", "cpu,cpuacct")):
                yield from _upwards(mounts / name, path)


def _quotas(root: Path) -> Iterator[float]:
    for folder in cgroup_folders(root):
        # A folder has the files of one version only.
        yield from _quota_v2(folder)
        yield from _quota_v1(folder)


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """Yield the cgroup's folder and its ancestors up to the mount; in a container often only the mount exists."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for length in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:length])


def _quota_v2(folder: Path) -> Iterator[float]:
    quota, _, period = text_of(folder / "cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit():
        yield int(quota) / int(period)


def _quota_v1(folder: Path) -> Iterator[float]:
    quota, period = text_of(folder / "cpu.cfs_quota_us"), text_of(folder / "cpu.cfs_period_us")
    # -1 stands for no quota.
    if quota.isdigit() and period.isdigit():
        yield int(quota) / int(period)
