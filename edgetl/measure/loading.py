"""Making a session that does what was asked for, or saying why there is none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from edgetl.device.values import LoadReport, SessionSpec
from edgetl.environments.workers import runs_here
from edgetl.errors import WorkerError
from edgetl.measure.worker import Worker


def load(
    worker: Worker,
    model: Path,
    provider: str,
    precision: str,
    threads: int,
    options: Mapping[str, str] | None = None,
    *,
    pinned: bool = True,
) -> LoadReport:
    """Load ``model`` into ``worker`` and return what really runs; ``threads`` of 0 means every core it may use.

    ``options`` are the session's (`device.values.SessionSpec`); where it is ``pinned``, threads fewer than this
    machine's cores are kept on as many of them.

    Raises WorkerError of kind ``ProviderUnavailable`` where the provider cannot run there, or computes in another
    precision than the one asked for: a session that quietly does something else is none.
    """
    cores = worker.hello.cores
    # A target's four cores are not this machine's: more threads than cores would only wait for one another.
    threads = min(threads or cores, cores)
    # On another machine, which cores there are is not known here.
    if pinned and threads < cores and runs_here(worker.command):
        worker.pin(last_cores(threads))
    spec = SessionSpec(provider=provider, precision=precision, threads=threads, options=dict(options or {}))
    report = worker.load(model, spec)
    if report.precision != precision:
        raise WorkerError(
            f"Asked for {precision}, {report.engine} computes in {report.precision} on this machine.",
            kind="ProviderUnavailable",
        )
    return report


def last_cores(count: int) -> tuple[int, ...]:
    """Return ``count`` cores to keep a worker on, so that no thread wanders; core 0, which serves interrupts, last."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return tuple(sorted(allowed)[-count:])
