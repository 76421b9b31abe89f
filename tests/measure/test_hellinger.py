"""How far probabilities lie apart: the textbook's number, and what it does not depend on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgetl.measure.logits import hellinger

EXPECTED = np.log(np.array([[0.5, 0.5], [0.9, 0.1]], np.float32))
ACTUAL = np.log(np.array([[0.9, 0.1], [0.9, 0.1]], np.float32))


def test_it_is_the_mean_over_images_of_the_distances_of_their_probabilities() -> None:
    affinity = math.sqrt(0.5 * 0.9) + math.sqrt(0.5 * 0.1)
    assert hellinger(ACTUAL, EXPECTED) == pytest.approx(math.sqrt(1 - affinity) / 2, rel=1e-5)
    assert hellinger(EXPECTED, ACTUAL) == hellinger(ACTUAL, EXPECTED)
    opposite = np.array([[100.0, 0.0]], np.float32)
    assert hellinger(opposite, opposite[:, ::-1]) == pytest.approx(1)


def test_a_number_added_to_all_logits_of_an_image_changes_nothing() -> None:
    assert hellinger(EXPECTED + 7, EXPECTED) == pytest.approx(0, abs=1e-6)


def test_an_error_in_a_class_that_cannot_win_hardly_counts() -> None:
    sure = np.array([[20.0, 0.0, 0.0]], np.float32)
    wrong = np.array([[20.0, 5.0, 0.0]], np.float32)
    assert hellinger(wrong, sure) < 1e-3 < 1e-1 < hellinger(np.array([[20.0, 19.0, 0.0]], np.float32), sure)
