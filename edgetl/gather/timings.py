"""Raw timings as distributions with the percentiles that they support."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edgetl.artifacts import BenchResult, CheckResult, QuantizeResult
from edgetl.gather.values import Latencies, Role
from edgetl.measure import record, replication
from edgetl.measure.launches import Timed
from edgetl.measure.statistics import Estimate, samples_for_quantile

MS = 1e6


def timings(
    folder: Path, check: CheckResult | None, bench: BenchResult | None, quantize: QuantizeResult | None
) -> tuple[Latencies, ...]:
    """Return the baseline's and the candidate's runs: those of the verdict, else those of the benchmark.

    Empty where there is neither or the file is gone; raises RunError for one that is damaged.
    """
    if check is not None and (folder / check.timings).is_file():
        from edgetl.gate.evidence import BASELINE, CANDIDATE

        launches = record.load(folder / check.timings)
        sides = (check.baseline, BASELINE), (check.candidate, CANDIDATE)
    if bench is not None and (folder / bench.timings).is_file():
        launches = record.load(folder / bench.timings)
        sides = (bench.rows[0].name,) * 2, (quantize.chosen if quantize else "",) * 2
    else:
        return ()
    roles: tuple[Role, Role] = ("baseline", "candidate")
    return tuple(
        _latencies(role, name, [launch.timed[variant] for launch in launches])
        for role, (name, variant) in zip(roles, sides, strict=True)
        if variant in launches[0].timed
    )


def _latencies(role: Role, name: str, timed: Sequence[Timed]) -> Latencies:
    fewest = min(sum(map(len, each.inference)) for each in timed)

    def percentile(q: float) -> Estimate:
        return _in_ms(replication.level([replication.percentile(q)(each) for each in timed]))

    def supported(q: float, estimate: Callable[[float], Estimate]) -> Estimate | None:
        return estimate(q) if fewest >= samples_for_quantile(q) else None

    runs = tuple(run / MS for each in timed for block in each.inference for run in block)
    return Latencies(role, name, runs, percentile(0.5), supported(0.9, percentile), supported(0.99, percentile))


def _in_ms(estimate: Estimate) -> Estimate:
    return Estimate(estimate.value / MS, estimate.low / MS, estimate.high / MS, estimate.confidence)
