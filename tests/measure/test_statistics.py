"""The intervals keep their promise on simulated machines, and say nothing that the sample size cannot support."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from edgetl.measure import statistics
from edgetl.measure.statistics import (
    Estimate,
    is_look,
    latency_ratio,
    log_ratio,
    quantile,
    sequential_confidence,
    wilson,
)

Machine = Callable[[np.random.Generator, int], NDArray[np.float64]]

ROUNDS, RUNS = 20, 24


def quiet(rng: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    """Small positive delays on every run; shape (variant, round, run), as factors of the undisturbed latency."""
    return 1 + rng.gamma(2.0, 0.004, (2, rounds, RUNS))


def drifting(rng: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    """A clock frequency that wanders by several per cent over the session and hits both variants of a round."""
    steps = rng.normal(0, 0.01, rounds)
    return quiet(rng, rounds) * np.exp(np.cumsum(steps))[None, :, None]


def shared(rng: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    """A neighbour that comes and goes for several rounds; while there, it hits each visit of a variant by chance."""
    busy = _markov(rng, rounds, stay=0.8, share=0.3)
    level = 1 + busy[None, :, None] * rng.exponential(0.05, (2, rounds, 1))
    return quiet(rng, rounds) * level * (1 + busy[None, :, None] * rng.exponential(0.2, (2, rounds, RUNS)))


def wandering(rng: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    """Each process has a slow disturbance of its own (AR(1), 0.6 a round): pairing does not remove it."""
    noise = np.zeros((2, rounds))
    for index in range(rounds):
        noise[:, index] = 0.6 * noise[:, max(index - 1, 0)] + rng.normal(0, 0.01, 2)
    return quiet(rng, rounds) * np.exp(noise)[:, :, None]


def _markov(rng: np.random.Generator, length: int, *, stay: float, share: float) -> NDArray[np.float64]:
    state = np.zeros(length)
    state[0] = rng.random() < share
    enter = (1 - stay) * share / (1 - share)
    for index in range(1, length):
        state[index] = rng.random() < (stay if state[index - 1] else enter)
    return state


def session(machine: Machine, seed: int, ratio: float = 1.0, rounds: int = ROUNDS) -> tuple[list[list[int]], ...]:
    """Return (candidate, baseline) blocks of one simulated session, in ns."""
    factors = machine(np.random.default_rng(seed), rounds) * np.array([ratio, 1.0])[:, None, None]
    return tuple((2_500_000 * factor).astype(int).tolist() for factor in factors)


# A 95 % interval over 300 sessions: 91 % is three standard errors below its promise. Strong autocorrelation over only
# twenty rounds cannot be fully seen in the data, so `wandering` is allowed a little less.
@pytest.mark.parametrize(
    ("machine", "least"),
    [(quiet, 0.91), (drifting, 0.91), (shared, 0.91), (wandering, 0.86)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
@pytest.mark.parametrize("ratio", [1.0, 1.05])
def test_the_ratio_interval_covers_the_truth(machine: Machine, least: float, ratio: float) -> None:
    estimates = [latency_ratio(*session(machine, seed, ratio)) for seed in range(300)]
    covered = np.mean([e.low <= ratio <= e.high for e in estimates])
    assert covered >= least


@pytest.mark.parametrize("machine", [quiet, drifting, shared, wandering])
def test_a_model_against_itself_is_never_called_five_percent_slower(machine: Machine) -> None:
    assert not any(latency_ratio(*session(machine, seed)).low > 1.05 for seed in range(300))


@pytest.mark.parametrize("machine", [quiet, drifting])
def test_a_true_slowdown_is_found_beyond_a_smaller_budget(machine: Machine) -> None:
    found = [latency_ratio(*session(machine, seed, 1.05)).low > 1.03 for seed in range(100)]
    assert np.mean(found) >= 0.95


def test_looking_as_data_come_in_keeps_the_error_probability() -> None:
    """Stopping at the first look that "decides" is wrong in no more sessions than promised."""
    wrong = 0
    for seed in range(300):
        candidate, baseline = session(quiet, seed, 1.03, rounds=41)
        looks = [count for count in range(1, 42) if is_look(count)]
        decided = [
            latency_ratio(candidate[:count], baseline[:count], confidence=sequential_confidence(count))
            for count in looks
        ]
        wrong += any(not e.low <= 1.03 <= e.high for e in decided)
    assert wrong / 300 <= 0.05 + 0.02


def test_looks_grow_and_spend_no_more_than_the_error_probability() -> None:
    looks = [count for count in range(1, 3000) if is_look(count)]
    assert looks[:4] == [8, 12, 18, 27]
    assert math.isclose(sequential_confidence(8), 0.99)
    assert sequential_confidence(9) == sequential_confidence(12) > sequential_confidence(8)
    assert sum(1 - sequential_confidence(count) for count in looks) < 0.05


def test_few_rounds_say_nothing() -> None:
    estimate = latency_ratio([[10, 11]] * 5, [[10, 11]] * 5)
    assert (estimate.value, estimate.interval) == (1.0, (0.0, math.inf))
    assert latency_ratio([], []).interval == (0.0, math.inf)


def test_identical_blocks_give_an_exact_ratio() -> None:
    assert latency_ratio([[20, 22]] * 10, [[10, 11]] * 10) == Estimate(2.0, 2.0, 2.0, 0.95)


def test_wild_rounds_do_not_move_the_ratio() -> None:
    candidate, baseline = session(quiet, 1, 1.04)
    for index in (3, 11, 17):
        baseline[index] = [9 * ns for ns in baseline[index]]
    estimate = latency_ratio(candidate, baseline)
    assert estimate.value == pytest.approx(1.04, abs=0.005)


@pytest.mark.parametrize("seed", range(5))
def test_a_machine_that_changes_its_speed_once_does_not_hide_what_every_round_shows(seed: int) -> None:
    """The candidate gains more in the slower state; Student's interval alone would reach from 0.4 to 1.0."""
    before, after = session(quiet, seed, 0.66, rounds=14), session(quiet, seed + 100, 0.58, rounds=28)
    candidate, baseline = (one + other for one, other in zip(before, after, strict=True))
    estimate = latency_ratio(candidate, baseline, confidence=sequential_confidence(42))
    assert 0.57 < estimate.low < estimate.value < estimate.high < 0.68


def test_the_range_of_too_few_rounds_is_no_interval() -> None:
    rounds = [[10, 11]] * 3 + [[11, 12]] * 3
    few = latency_ratio(rounds, [[10, 11]] * 6, confidence=0.99)
    assert few.low < 1.0
    assert few.high > 1.1


def test_visits_are_paired_within_half_a_round() -> None:
    """A neighbour slows the first half of each round, for both, and in two of five rounds one visit of the second."""
    busy, quiet = (12, 12), (10, 10)
    baseline = [busy + quiet] * 10
    candidate = [busy + (busy if index % 5 < 2 else quiet) for index in range(10)]
    assert log_ratio(candidate, baseline) == 0.0
    assert log_ratio([quiet * 2] * 10, [(8, 8, 8, 8)] * 10) == pytest.approx(math.log(10 / 8))


def test_blocks_must_pair() -> None:
    with pytest.raises(ValueError, match="paired"):
        latency_ratio([[1]], [[1], [2]])


def test_autocorrelated_rounds_count_for_less() -> None:
    rng = np.random.default_rng(0)
    independent = rng.normal(size=400)
    correlated = np.zeros(400)
    for index in range(1, 400):
        correlated[index] = 0.7 * correlated[index - 1] + independent[index]
    assert statistics.autocorrelation_time(independent) < 1.5
    assert 4.0 < statistics.autocorrelation_time(correlated) < 8.0  # (1 + 0.7) / (1 - 0.7) = 5.7
    assert statistics.autocorrelation_time(np.ones(20)) == 1.0


@pytest.mark.parametrize(("q", "count"), [(0.5, 6), (0.9, 29), (0.99, 299), (0.999, 2995)])
def test_a_percentile_takes_its_number_of_samples(q: float, count: int) -> None:
    samples = [[ns] for ns in range(1, count + 1)]
    assert statistics.samples_for_quantile(q) == count
    assert quantile(samples, q) is not None
    assert quantile(samples[:-1], q) is None


def test_quantile_interval_covers_and_is_ordered() -> None:
    rng = np.random.default_rng(3)
    truth = math.exp(0.5 * 1.2815515655446004)
    covered = 0
    for _ in range(400):
        estimate = quantile([[ns] for ns in (1e6 * rng.lognormal(0, 0.5, 120)).astype(int)], 0.9)
        assert estimate is not None and estimate.low <= estimate.value <= estimate.high
        covered += estimate.low <= 1e6 * truth <= estimate.high
    assert covered / 400 >= 0.92


def test_blocks_of_alike_samples_widen_a_quantile() -> None:
    rng = np.random.default_rng(4)
    truth, covered = 0.0, {"blocks": 0, "pooled": 0}
    for _ in range(200):
        level = rng.normal(0, 0.05, (40, 1))
        blocks = (1e6 * np.exp(level + rng.normal(0, 0.01, (40, 25)))).astype(int).tolist()
        for name, sample in (("blocks", blocks), ("pooled", [[ns] for block in blocks for ns in block])):
            estimate = quantile(sample, 0.5)
            assert estimate is not None
            covered[name] += estimate.low <= 1e6 * math.exp(truth) <= estimate.high
    assert covered["blocks"] / 200 >= 0.91
    assert covered["pooled"] / 200 < 0.6


def test_no_samples_have_no_quantile() -> None:
    assert quantile([], 0.5) is None
    assert quantile([[]], 0.5) is None


def test_wilson_is_the_published_interval() -> None:
    """Newcombe, Statistics in Medicine 17 (1998) 857, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    for (successes, trials), interval in {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }.items():
        assert wilson(successes, trials) == pytest.approx(interval, abs=5e-5)
    with pytest.raises(ValueError, match="no trials"):
        wilson(0, 0)


def test_the_interval_of_equal_rounds_holds_their_ratio() -> None:
    for ms in range(1, 100):
        for rounds in range(8, 14):
            found = latency_ratio([(ms,)] * rounds, [(7,)] * rounds)
            assert found.low <= found.value <= found.high == pytest.approx(ms / 7)
