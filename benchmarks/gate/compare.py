"""One comparison by the gate's own code, and what naive peers say of the very same runs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgetl.device.values import Preprocess
from edgetl.gate.evidence import BASELINE, CANDIDATE, TWIN, Evidence
from edgetl.gate.limits import judge, settled
from edgetl.measure.accuracy import paired
from edgetl.measure.launches import MIN_LAUNCHES, Launch, Plan, Variant, launch_all
from edgetl.measure.statistics import is_look
from edgetl.progress import Silent
from edgetl.targets import Budgets

# What CI scripts allow: asv's and pytest-benchmark's users write five or ten per cent.
NAIVE = 1.05
# The accuracy is not the question here: the same answers.
SAME_ANSWERS = paired([0] * 1000, [0] * 1000, [0] * 1000)


@dataclass(frozen=True)
class Comparison:
    """The gate's verdict, its ratio and seconds; and the ratios that naive peers compare with their threshold.

    ``means`` and ``minima`` are of both models' runs in this session, ``stored_mean`` and ``stored_minimum`` of the
    candidate's against a baseline measured in the session before, as a stored result is compared with.
    """

    verdict: str
    ratio: float
    low: float
    high: float
    seconds: float
    launches: int
    means: float
    minima: float
    stored_mean: float | None
    stored_minimum: float | None


@dataclass(frozen=True)
class Bench:
    """What is the same in all comparisons of a part."""

    baseline: Path
    preprocess: Preprocess
    provider: str
    threads: int
    budget: float
    time_budget_s: float

    def variant(self, model: Path) -> Variant:
        """Return ``model`` as it is run here."""
        noise = np.random.default_rng(0).integers(0, 256, (1, self.preprocess.crop, self.preprocess.crop, 3), np.uint8)
        return Variant(model, self.provider, "fp32", self.threads, self.preprocess, noise)


def compare(bench: Bench, candidate: Path, seed: int, stored: Sequence[int]) -> tuple[dict[str, Any], list[int]]:
    """Return the comparison of ``candidate`` with the baseline as JSON, and the baseline's runs of its first launch.

    ``stored`` are those of the comparison before, empty for none.
    """
    variants = {
        BASELINE: bench.variant(bench.baseline),
        TWIN: bench.variant(bench.baseline),
        CANDIDATE: bench.variant(candidate),
    }
    budgets = Budgets(latency_ratio=bench.budget, top1_drop=0.02)

    def evidence(launches: Sequence[Launch]) -> Evidence:
        return Evidence(tuple(launches), SAME_ANSWERS, ("one",), (1, 1), False)

    def decide(launches: Sequence[Launch]) -> bool:
        return is_look(len(launches), first=MIN_LAUNCHES) and settled(evidence(launches), budgets)

    start = time.monotonic()
    plan = Plan(bench.time_budget_s, tuple(variants), seed=seed)
    launches = launch_all(variants, plan, Silent(), decide=decide).launches
    finding = next(each for each in judge(evidence(launches), budgets) if each.budget == "latency_ratio")
    before, after = (_runs(launches, role) for role in (BASELINE, CANDIDATE))
    first = _runs(launches[:1], CANDIDATE)
    found = Comparison(
        verdict=finding.outcome,
        ratio=finding.value,
        low=finding.ci[0],
        high=finding.ci[1],
        seconds=time.monotonic() - start,
        launches=len(launches),
        means=statistics.fmean(after) / statistics.fmean(before),
        minima=min(after) / min(before),
        stored_mean=statistics.fmean(first) / statistics.fmean(stored) if stored else None,
        stored_minimum=min(first) / min(stored) if stored else None,
    )
    return asdict(found), _runs(launches[:1], BASELINE)


def _runs(launches: Sequence[Launch], role: str) -> list[int]:
    return [run for launch in launches for block in launch.timed[role].inference for run in block]
