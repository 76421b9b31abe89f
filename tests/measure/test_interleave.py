"""The order of visits, the warm-up and the two ways to end, on timers whose clock is scripted."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import pytest

from edgetl.measure import interleave as module
from edgetl.measure.interleave import Samples, interleave, warm_up

MS = 1_000_000


class Machine:
    """A clock that only its timers move; ``visits`` is who ran how often, in order."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.visits: list[tuple[str, int]] = []

    def clock(self) -> float:
        return self.now_ns / 1e9

    def timer(self, name: str, latency: Callable[[int], int]) -> Scripted:
        return Scripted(self, name, latency)


class Scripted:
    """A timer whose run takes what ``latency`` says of the machine's time in ns."""

    def __init__(self, machine: Machine, name: str, latency: Callable[[int], int]) -> None:
        self._machine, self._name, self._latency = machine, name, latency

    def time(self, count: int) -> tuple[int, ...]:
        times = []
        for _ in range(count):
            times.append(self._latency(self._machine.now_ns))
            self._machine.now_ns += times[-1]
        self._machine.visits.append((self._name, count))
        return tuple(times)


def steady(ns: int) -> Callable[[int], int]:
    return lambda _now: ns


def after_rounds(count: int) -> Callable[[Mapping[str, Samples]], bool]:
    return lambda samples: next(iter(samples.values())).rounds == count


def raced(
    latencies: Mapping[str, Callable[[int], int]], rounds: int = 20, seed: int = 0
) -> tuple[Machine, dict[str, Samples]]:
    machine = Machine()
    timers = {name: machine.timer(name, latency) for name, latency in latencies.items()}
    return machine, interleave(timers, time_budget_s=1e6, decide=after_rounds(rounds), seed=seed, clock=machine.clock)


def rounds_of(machine: Machine, variants: int, rounds: int) -> list[list[str]]:
    names = [name for name, _ in machine.visits][-2 * variants * rounds :]
    return [names[start : start + 2 * variants] for start in range(0, len(names), 2 * variants)]


def test_every_round_visits_all_in_one_order_and_back() -> None:
    machine, samples = raced({"a": steady(5 * MS), "b": steady(4 * MS), "c": steady(MS)})
    rounds = rounds_of(machine, 3, 20)
    assert all(visits == visits[::-1] and set(visits) == {"a", "b", "c"} for visits in rounds)
    assert len({tuple(visits[:3]) for visits in rounds}) > 3
    assert {name: each.rounds for name, each in samples.items()} == {"a": 20, "b": 20, "c": 20}


def test_the_order_is_the_seeds() -> None:
    latencies = {"a": steady(5 * MS), "b": steady(4 * MS)}
    orders = [rounds_of(raced(latencies, seed=seed)[0], 2, 20) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_a_linear_drift_favours_nobody() -> None:
    def drifting(now_ns: int) -> int:
        return 5 * MS + now_ns // 2000

    _, samples = raced({"a": drifting, "b": drifting})
    for a, b in zip(samples["a"].blocks, samples["b"].blocks, strict=True):
        assert sum(a) == pytest.approx(sum(b), rel=1e-4)


def test_all_variants_run_equally_often_in_a_visit_as_long_as_the_slowest_allows() -> None:
    _, samples = raced({"slow": steady(6 * MS), "fast": steady(MS)})
    assert {len(block) for each in samples.values() for block in each.blocks} == {2 * 3}
    _, samples = raced({"very slow": steady(500 * MS)})
    assert {len(block) for block in samples["very slow"].blocks} == {2 * module.MIN_RUNS}
    _, samples = raced({"very fast": steady(1000)})
    assert {len(block) for block in samples["very fast"].blocks} == {2 * module.MAX_RUNS}


def test_sampling_ends_with_the_time() -> None:
    machine = Machine()
    samples = interleave({"a": machine.timer("a", steady(6 * MS))}, time_budget_s=2.0, clock=machine.clock)
    assert 2.0 <= machine.clock() < 2.0 + 0.2
    assert samples["a"].rounds > 10


def test_the_least_rounds_are_made_whatever_the_time() -> None:
    machine = Machine()
    timers = {"a": machine.timer("a", steady(600 * MS))}
    asked: list[int] = []

    def decide(samples: Mapping[str, Samples]) -> bool:
        asked.append(samples["a"].rounds)
        return True

    samples = interleave(timers, time_budget_s=0.1, min_rounds=8, decide=decide, clock=machine.clock)
    assert samples["a"].rounds == 8
    assert asked == [8]


def test_the_warm_up_lasts_until_runs_no_longer_get_faster() -> None:
    machine = Machine()
    warming = machine.timer("a", lambda now_ns: 2 * MS + max(0, 8 * MS - now_ns // 20))
    assert warm_up(warming, clock=machine.clock) == pytest.approx(2 * MS, rel=0.05)
    assert machine.now_ns >= 150 * MS
    machine.visits.clear()
    warm_up(warming, clock=machine.clock)
    assert sum(runs for _, runs in machine.visits) == (1 + module.WARM_PATIENCE) * module.WARM_RUNS


def test_the_warm_up_gives_up_on_a_timer_that_never_settles() -> None:
    machine = Machine()
    ever_faster = machine.timer("a", lambda _now: int(1e9 * 0.9 ** len(machine.visits)))
    warm_up(ever_faster, clock=machine.clock)
    assert len(machine.visits) == module.WARM_MAX_BLOCKS
    machine.visits.clear()
    warm_up(ever_faster, clock=machine.clock, until=machine.clock())
    assert len(machine.visits) == 1 + module.WARM_PATIENCE


def test_variants_are_warmed_alike_whatever_their_place() -> None:
    """Ones that get faster all the time: with one deadline for all, the first would take it and leave the last cold."""
    machine = Machine()

    def ever_faster() -> Callable[[int], int]:
        runs = itertools.count()
        return lambda _now: int(10 * MS * 0.99 ** next(runs))

    timers = {name: machine.timer(name, ever_faster()) for name in ("a", "b", "c")}
    interleave(timers, time_budget_s=4, decide=after_rounds(1), clock=machine.clock)
    total = {name: sum(runs for who, runs in machine.visits if who == name) for name in timers}
    assert min(total.values()) > (1 + module.WARM_PATIENCE) * module.WARM_RUNS
    assert max(total.values()) < 1.5 * min(total.values())


def test_a_slow_variant_is_warmed_by_fewer_runs() -> None:
    machine = Machine()
    warm_up(machine.timer("a", steady(60 * MS)), clock=machine.clock)
    assert sum(runs for _, runs in machine.visits) == (1 + module.WARM_PATIENCE) * module.MIN_RUNS


def test_warm_up_runs_are_no_samples() -> None:
    machine = Machine()
    warming = machine.timer("a", lambda now_ns: 50 * MS if now_ns < 300 * MS else 5 * MS)
    samples = interleave({"a": warming}, time_budget_s=30, decide=after_rounds(3), clock=machine.clock)
    assert {ns for block in samples["a"].blocks for ns in block} == {5 * MS}
