"""Estimates over launches: they cover the truth as often as they claim, and find what is there."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgetl.errors import MeasureError
from edgetl.gate.limits import outcome
from edgetl.measure import replication
from edgetl.measure.launches import Launch, Timed
from edgetl.measure.replication import Contrast
from edgetl.measure.state import State
from edgetl.measure.statistics import is_look, sequential_confidence

MS = 1_000_000


def simulated(launches: int, ratio: float, own: float, theirs: float, rng: np.random.Generator) -> list[Contrast]:
    """Return contrasts of processes that differ by ``theirs`` (the baseline's) and ``own`` (the candidate's)."""
    base, twin = rng.normal(0, theirs, (2, launches))
    candidate = math.log(ratio) + rng.normal(0, own, launches)
    return [Contrast(c - (b + t) / 2, t - b) for c, b, t in zip(candidate, base, twin, strict=True)]


@pytest.mark.parametrize("launches", [3, 5, 12])
@pytest.mark.parametrize(("own", "least"), [(0.01, 0.94), (0.002, 0.94), (0.03, 0.92)])
def test_the_interval_covers_the_truth(launches: int, own: float, least: float) -> None:
    rng = np.random.default_rng(launches)
    found = [replication.ratio(simulated(launches, 1.1, own, 0.01, rng)) for _ in range(2000)]
    assert np.mean([each.low <= 1.1 <= each.high for each in found]) >= least


@pytest.mark.parametrize("own", [0.01, 0.03])
def test_a_wrong_verdict_is_as_rare_as_promised_where_the_truth_sits_on_the_budget(own: float) -> None:
    """Looked at after 3, 5, 8, ... launches, until it decides: at most half of 5 % fail and as many pass."""
    rng = np.random.default_rng(7)
    looks = [number for number in range(3, 28) if is_look(number, first=3)]

    def verdict() -> str:
        launches = simulated(looks[-1], 1.05, own, 0.01, rng)
        for count in looks:
            seen = replication.ratio(launches[:count], confidence=sequential_confidence(count, 0.95, first=3))
            if (found := outcome(seen.low, seen.high, 1.05)) != "inconclusive":
                return found
        return "inconclusive"

    verdicts = [verdict() for _ in range(1500)]
    # 2.5 %, and two standard errors of so many trials.
    assert verdicts.count("fail") / 1500 < 0.033
    assert verdicts.count("pass") / 1500 < 0.033
    assert "pass" in verdicts and "fail" in verdicts


def test_launches_that_agree_by_luck_are_not_believed() -> None:
    """Three equal ratios, while two processes of one model differ by three per cent."""
    estimate = replication.ratio([Contrast(0.05, 0.03), Contrast(0.05, -0.03), Contrast(0.05, 0.03)])
    assert estimate.half_width > 0.03


def test_too_few_launches_say_nothing() -> None:
    rng = np.random.default_rng(0)
    estimate = replication.ratio(simulated(2, 1.1, 0.01, 0.01, rng))
    assert estimate.interval == (0.0, math.inf)
    assert replication.noise_floor([]).interval == (0.0, math.inf)
    assert replication.level([1.0, 1.1]).interval == (0.0, math.inf)


def test_equal_launches_give_an_exact_ratio() -> None:
    estimate = replication.ratio([Contrast(math.log(0.4), 0.0)] * 3)
    assert estimate.value == estimate.low == estimate.high == pytest.approx(0.4)


def launch(**runs: list[int]) -> Launch:
    timed = {
        name: Timed(
            cold_start_ns=10 * MS,
            session_ns=5 * MS,
            inference=tuple((run, run) for run in series),
            end_to_end=((3 * MS, 5 * MS, 7 * MS),),
            peak_rss_bytes=0 if name == "candidate" else 10**7,
        )
        for name, series in runs.items()
    }
    return Launch(timed, State(seconds=1.0))


def test_rounds_pair_within_a_launch() -> None:
    """The machine slows down from round to round; both slow down together."""
    drifting = launch(candidate=[110, 220, 440], baseline=[100, 200, 400], twin=[100, 200, 400])
    (seen,) = replication.undisturbed([drifting], "candidate", "baseline", "twin")
    assert seen.difference == pytest.approx(math.log(1.1))
    assert seen.floor == 0.0


def test_a_statistic_of_a_launch_is_compared_with_both_baselines() -> None:
    one = launch(candidate=[200] * 9 + [400], baseline=[100] * 10, twin=[100] * 9 + [400])
    (p90,) = replication.contrasts([one], "candidate", "baseline", "twin", replication.percentile(0.95))
    assert p90.difference == pytest.approx(math.log(4 / 2))
    assert p90.floor == pytest.approx(math.log(4))
    assert replication.percentile(0.5)(one.timed["candidate"]) == 200
    assert replication.end_to_end(one.timed["candidate"]) == 5 * MS
    assert replication.cold_start(one.timed["candidate"]) == 10 * MS


def test_memory_that_is_not_told_is_said_to_be_so() -> None:
    one = launch(candidate=[1], baseline=[1])
    assert replication.memory(one.timed["baseline"]) == 1e7
    with pytest.raises(MeasureError, match="does not tell how much memory"):
        replication.memory(one.timed["candidate"])
