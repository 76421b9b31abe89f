"""Raw timings as distributions with the percentiles that they support."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgetl.artifacts import BenchResult, CheckResult, QuantizeResult
from edgetl.gate.evidence import BASELINE, CANDIDATE
from edgetl.gather.values import Latencies, Role, TimedBy
from edgetl.measure import record, replication
from edgetl.measure.launches import Timed
from edgetl.measure.statistics import Estimate, samples_for_quantile

MS = 1e6


@dataclass(frozen=True)
class _Source:
    """A file of timings, and for each role the model's name and what its variant is called in there."""

    by: TimedBy
    file: str
    sides: tuple[tuple[Role, str, str], ...]


def timings(
    folder: Path, check: CheckResult | None, bench: BenchResult | None, quantize: QuantizeResult | None
) -> tuple[TimedBy, tuple[Latencies, ...]]:
    """Return the baseline's and the candidate's runs, and who timed them: the verdict, else the benchmark.

    Empty where there is neither or the file is gone; raises RunError for one that is damaged.
    """
    for source in (_of_check(check), _of_bench(bench, quantize)):
        if source is not None and (folder / source.file).is_file():
            launches = record.load(folder / source.file)
            return source.by, tuple(
                _latencies(role, name, [launch.timed[variant] for launch in launches])
                for role, name, variant in source.sides
                if all(variant in launch.timed for launch in launches)
            )
    return "", ()


def _of_check(check: CheckResult | None) -> _Source | None:
    if check is None:
        return None
    sides: tuple[tuple[Role, str, str], ...] = (
        ("baseline", check.baseline, BASELINE),
        ("candidate", check.candidate, CANDIDATE),
    )
    return _Source("check", check.timings, sides)


def _of_bench(bench: BenchResult | None, quantize: QuantizeResult | None) -> _Source | None:
    if bench is None:
        return None
    first, chosen = bench.rows[0].name, quantize.chosen if quantize is not None else ""
    return _Source("bench", bench.timings, (("baseline", first, first), ("candidate", chosen, chosen)))


def _latencies(role: Role, name: str, timed: Sequence[Timed]) -> Latencies:
    fewest = min(sum(map(len, each.inference)) for each in timed)

    def percentile(q: float) -> Estimate:
        return _in_ms(replication.level([replication.percentile(q)(each) for each in timed]))

    p90, p99 = (percentile(q) if fewest >= samples_for_quantile(q) else None for q in (0.9, 0.99))
    runs = tuple(run / MS for each in timed for block in each.inference for run in block)
    return Latencies(role, name, runs, percentile(0.5), p90, p99)


def _in_ms(estimate: Estimate) -> Estimate:
    return Estimate(estimate.value / MS, estimate.low / MS, estimate.high / MS, estimate.confidence)
