"""How far probabilities lie apart: the textbook's number, and what it does not depend on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgetl.measure.logits import divergence

EXPECTED = np.log(np.array([[0.5, 0.5], [0.9, 0.1]], np.float32))
ACTUAL = np.log(np.array([[0.9, 0.1], [0.9, 0.1]], np.float32))


def test_it_is_the_mean_of_the_divergences_from_the_expected_probabilities() -> None:
    of_the_first = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    assert divergence(ACTUAL, EXPECTED) == pytest.approx(of_the_first / 2, rel=1e-5)
    # The other way round it is another number.
    assert divergence(EXPECTED, ACTUAL) == pytest.approx((0.9 * math.log(1.8) + 0.1 * math.log(0.2)) / 2, rel=1e-5)


def test_a_number_added_to_all_logits_of_an_image_changes_nothing() -> None:
    assert divergence(EXPECTED + 7, EXPECTED) == pytest.approx(0, abs=1e-6)


def test_an_error_in_a_class_that_cannot_win_hardly_counts() -> None:
    sure = np.array([[20.0, 0.0, 0.0]], np.float32)
    wrong = np.array([[20.0, 5.0, 0.0]], np.float32)
    assert divergence(wrong, sure) < 1e-5 < divergence(np.array([[20.0, 19.0, 0.0]], np.float32), sure)
