"""Measuring the candidates of a run, and judging one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgetl.api.given import Duration, Place, path, run_folder, watched, worker
from edgetl.defaults import BENCH_S, CHECK_S

if TYPE_CHECKING:
    from edgetl.artifacts import BenchResult, CheckResult, SweepResult
    from edgetl.progress import Progress


def bench(
    run: Place | None = None,
    *,
    target: str | None = None,
    providers: Sequence[str] = (),
    time_budget: Duration | None = None,
    on: str | None = None,
    throughput: bool = False,
    progress: Progress | None = None,
) -> BenchResult:
    """Return a row for every candidate on every provider: latency, accuracy, memory, and what really ran.

    ``providers`` of () are those that the target lists, ``target`` of None the one that `quantize` was given; ``on`` is
    where to measure. A provider that cannot run here is a row that says why. Raises MeasureError when none can.
    """
    from edgetl import runs
    from edgetl.measure.bench import BenchSettings
    from edgetl.measure.bench import bench as stage
    from edgetl.quantities import seconds

    settings = BenchSettings(
        run=run_folder(run),
        target=target,
        providers=tuple(providers),
        time_budget_s=seconds(time_budget, default=BENCH_S),
        throughput=throughput,
        worker=worker(on),
    )
    with watched(progress) as watching:
        result = stage(settings, watching)
    runs.remember(settings.run)
    return result


def sweep(
    run: Place | None = None,
    *,
    candidate: str | None = None,
    target: str | None = None,
    time_budget: Duration | None = None,
    on: str | None = None,
    progress: Progress | None = None,
) -> SweepResult:
    """Return the latency of one candidate, by default the chosen one, by threads, spinning and pinning.

    Raises UsageError for an unknown candidate, WorkerError where it cannot run.
    """
    from edgetl.measure.bench import BenchSettings
    from edgetl.measure.sweep import sweep as stage
    from edgetl.quantities import seconds

    settings = BenchSettings(
        run=run_folder(run),
        target=target,
        time_budget_s=seconds(time_budget, default=BENCH_S),
        worker=worker(on),
    )
    with watched(progress) as watching:
        return stage(settings, candidate, watching)


def check(
    run: Place | None = None,
    *,
    baseline: str | None = None,
    candidate: str | None = None,
    images: Place | None = None,
    labels: Place | None = None,
    target: str | None = None,
    provider: str | None = None,
    time_budget: Duration | None = None,
    on: str | None = None,
    out: Place | None = None,
    progress: Progress | None = None,
) -> CheckResult:
    """Return the verdict on a candidate against a baseline, both run here and now: pass, fail or inconclusive.

    Each side is a candidate's name, another run, a bundle or an ONNX file; None stands for the chosen candidate and the
    run's fp32 model. Two of the last three need no ``run``. ``provider`` runs ONNX files, which do not say by what;
    ``images`` judge in place of the run's. Raises WorkerError where one side cannot run here, UsageError and RunError
    for bad input.
    """
    from edgetl import runs
    from edgetl.gate.sides import stands_alone
    from edgetl.gate.stage import CheckSettings
    from edgetl.gate.stage import check as stage
    from edgetl.quantities import seconds

    # Two model files or runs need no other run beside them.
    alone = run is None and all(side and stands_alone(side) for side in (baseline, candidate))
    settings = CheckSettings(
        run=None if alone else run_folder(run),
        candidate=candidate,
        baseline=baseline,
        target=target,
        provider=provider,
        images=path(images),
        labels=path(labels),
        out=path(out),
        time_budget_s=seconds(time_budget, default=CHECK_S),
        worker=worker(on),
    )
    with watched(progress) as watching:
        result = stage(settings, watching)
    if settings.run is not None:
        runs.remember(settings.run)
    return result
