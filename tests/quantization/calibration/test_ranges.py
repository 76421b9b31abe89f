"""Ranges: what is kept of millions of values is what the values are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetl.quantization.calibration.ranges import (
    BINS,
    Entropy,
    Histogram,
    MeanMinMax,
    MeanSquare,
    MinMax,
    Percentile,
    Range,
    Several,
)


def _batches(values: np.ndarray, count: int) -> list[np.ndarray]:
    return [part[np.newaxis].astype(np.float32) for part in np.array_split(values, count)]


def test_extremes_are_exact_over_all_batches() -> None:
    observer = MinMax()
    for batch in ([1.0, -3.5], [7.25, 2.0]):
        observer.observe(np.array([batch], np.float32))
    assert observer.range() == Range(-3.5, 7.25)


@given(st.integers(1, 12), st.floats(0.01, 1000), st.integers(0, 5))
def test_a_quantile_does_not_depend_on_how_the_values_are_cut_into_batches(count: int, scale: float, seed: int) -> None:
    values = scale * np.random.default_rng(seed).standard_normal(3000)
    histogram = Histogram()
    for batch in _batches(values, count):
        histogram.observe(batch)
    for share in (0.01, 0.5, 0.99):
        assert histogram.quantile(share) == pytest.approx(
            np.quantile(values, share), abs=6 * scale * 5 / BINS + 0.02 * scale
        )


def test_values_that_outgrow_the_bins_merge_them_and_lose_none() -> None:
    histogram = Histogram()
    for size in (0.001, 1.0, 1000.0):
        histogram.observe(np.full((1, 100), size, np.float32))
    assert histogram.counts.sum() == 300
    assert histogram.width * BINS >= 1000
    assert histogram.quantile(0.999) == pytest.approx(1000, rel=0.002)


def test_negative_and_positive_values_stay_apart_when_bins_merge() -> None:
    histogram = Histogram()
    histogram.observe(np.array([[-0.5, 0.5]] * 50, np.float32))
    histogram.observe(np.array([[-100.0, 100.0]] * 50, np.float32))
    assert histogram.counts[:BINS].sum() == histogram.counts[BINS:].sum() == 100


def test_a_percentile_cuts_outliers_and_min_max_does_not() -> None:
    values = np.concatenate([np.linspace(0, 1, 100_000), [500.0]]).astype(np.float32)[np.newaxis]
    percentile, extremes = Percentile(99.9), MinMax()
    percentile.observe(values)
    extremes.observe(values)
    assert percentile.range().high < 2
    assert extremes.range().high == 500


def test_a_percentile_never_lies_outside_the_values() -> None:
    observer = Percentile(99.99)
    observer.observe(np.array([[0.3, 0.4]], np.float32))
    found = observer.range()
    assert np.float32(0.3) <= found.low <= found.high <= np.float32(0.4)


def test_a_tensor_that_is_always_zero_has_a_range() -> None:
    observer = Percentile(99.99)
    observer.observe(np.zeros((2, 4), np.float32))
    assert observer.range() == Range(0.0, 0.0)


def test_the_mean_of_extremes_is_over_images_and_not_over_batches() -> None:
    observer = MeanMinMax()
    observer.observe(np.array([[-1.0, 1.0], [-2.0, 2.0], [-3.0, 3.0]], np.float32))
    observer.observe(np.array([[-6.0, 10.0]], np.float32))
    assert observer.range() == Range(-3.0, 4.0)


def test_entropy_cuts_a_long_thin_tail_and_keeps_a_flat_distribution() -> None:
    generator = np.random.default_rng(0)
    tailed, flat = Entropy(), Entropy()
    tailed.observe(np.concatenate([generator.exponential(1.0, 16_000), [200.0]]).astype(np.float32)[np.newaxis])
    flat.observe(generator.uniform(-1, 1, (1, 16_000)).astype(np.float32))
    assert 4 < tailed.range().high < 60
    assert flat.range().high == pytest.approx(1, abs=0.01)
    assert flat.range().low == pytest.approx(-1, abs=0.01)


def test_entropy_of_a_tensor_that_never_changes_is_its_range() -> None:
    for value in (0.0, 0.7, -2.0):
        observer = Entropy()
        observer.observe(np.full((2, 50), value, np.float32))
        found = observer.range()
        assert found.low <= np.float32(value) <= found.high


def test_the_least_mean_square_error_is_what_trying_all_ends_finds() -> None:
    generator = np.random.default_rng(0)
    values = generator.laplace(size=16_000).astype(np.float32)
    observer = MeanSquare()
    observer.observe(values[np.newaxis])
    found = observer.range()

    def error(low: float, high: float) -> float:
        step = (high - low) / 255
        rounded = np.clip(np.rint(values / step) * step, low, high)
        return float(np.mean((rounded - values) ** 2))

    least = min(error(-low, high) for low in np.geomspace(1, 12, 30) for high in np.geomspace(1, 12, 30))
    assert error(found.low, found.high) <= 1.1 * least
    # Inside the extremes where the tails are thin, and at them where the values fill the range.
    assert found.high < 0.97 * values.max()
    flat = MeanSquare()
    flat.observe(generator.uniform(-1, 3, (1, 16_000)).astype(np.float32))
    assert flat.range().low == pytest.approx(-1, abs=0.1) and flat.range().high == pytest.approx(3, abs=0.2)


def test_the_least_error_of_a_tensor_that_is_zero_or_positive_is_a_range_with_zero() -> None:
    for values in (np.zeros((2, 50), np.float32), np.full((2, 50), 3.0, np.float32)):
        observer = MeanSquare()
        observer.observe(values)
        found = observer.range()
        assert found.low == 0.0 and found.high >= values.max()


def test_several_methods_share_one_look_at_the_values() -> None:
    values = np.random.default_rng(1).standard_normal((4, 5000)).astype(np.float32)
    alone = {"minmax": MinMax(), "percentile": Percentile(99.9), "mean-square": MeanSquare()}
    together = Several(99.9)
    for observer in (*alone.values(), together):
        observer.observe(values)
    assert together.ranges() == {name: observer.range() for name, observer in alone.items()}
