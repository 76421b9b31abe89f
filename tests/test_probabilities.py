"""Probabilities: their losses by hand, ECE against chance, and a temperature that does not run away on few images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgetl import probabilities
from tests.honest import honest


def test_losses_are_those_of_the_softmax() -> None:
    logits = np.log([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    judged = probabilities.judge(logits, np.array([0, 1]))
    assert judged.predicted.tolist() == [0, 2]
    np.testing.assert_allclose(judged.confidence, [0.7, 0.6])
    np.testing.assert_allclose(judged.log_loss, -np.log([0.7, 0.3]))
    np.testing.assert_allclose(judged.brier, [0.3**2 + 0.2**2 + 0.1**2, 0.1**2 + 0.7**2 + 0.6**2])


def test_a_temperature_divides_the_logits_for_all_images_or_for_each() -> None:
    logits, labels = honest(6)
    one = probabilities.judge(logits / 2.5, labels)
    np.testing.assert_allclose(probabilities.judge(logits, labels, 2.5).log_loss, one.log_loss)
    each = probabilities.judge(logits, labels, np.array([1.0, 2.5, 1.0, 2.5, 1.0, 2.5]))
    np.testing.assert_allclose(each.confidence[1::2], one.confidence[1::2])
    np.testing.assert_allclose(each.confidence[::2], probabilities.judge(logits, labels).confidence[::2])


def test_large_logits_and_more_than_one_block_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = honest(50)
    whole = probabilities.judge(logits, labels), probabilities.fit_temperature(logits, labels)
    monkeypatch.setattr(probabilities, "BLOCK", 60)
    blocks = probabilities.judge(logits + 1e5, labels), probabilities.fit_temperature(logits + 1e5, labels)
    np.testing.assert_allclose(blocks[0].log_loss, whole[0].log_loss, atol=1e-8)
    assert blocks[1] == pytest.approx(whole[1], abs=1e-4)


def test_ece_of_bins_done_by_hand() -> None:
    confidence = np.array([0.95, 0.97, 0.55, 0.58])
    right = np.array([True, False, True, True])
    # 0.95 and 0.97 share the last of 15 bins, 0.55 and 0.58 the ninth.
    assert probabilities.expected_calibration_error(confidence, right) == pytest.approx((0.92 + 0.87) / 4)
    assert probabilities.bins(np.array([1.0, 1 / 15, 1 / 15 + 1e-9, 0.0])).tolist() == [14, 0, 1, 0]


def test_chance_is_what_an_honest_classifier_of_that_size_shows() -> None:
    """Its ECE is far from zero on few images, on average as predicted, and within the limit 19 times in 20."""
    eces, expected, within = [], [], 0
    for seed in range(300):
        logits, labels = honest(60, seed=seed)
        judged = probabilities.judge(logits, labels)
        ece = probabilities.expected_calibration_error(judged.confidence, judged.predicted == labels)
        mean, limit = probabilities.by_chance(judged.confidence, seed)
        eces.append(ece)
        expected.append(mean)
        within += ece <= limit
    assert np.mean(eces) == pytest.approx(np.mean(expected), rel=0.05)
    assert np.mean(eces) > 0.05
    assert 0.91 <= within / 300 <= 0.99


@pytest.mark.parametrize("sharpness", [0.2, 1.0, 5.0])
def test_the_temperature_finds_how_much_too_sharp_logits_are(sharpness: float) -> None:
    logits, labels = honest(4000)
    assert probabilities.fit_temperature(sharpness * logits, labels) == pytest.approx(sharpness, rel=0.1)


@pytest.mark.parametrize("images", [10, 40])
def test_few_images_without_a_mistake_do_not_make_a_classifier_certain(images: int) -> None:
    """The plain minimum of the log-loss would be at temperature zero."""
    logits = np.tile([3.0, 0.0], (images, 1))
    temperature = probabilities.fit_temperature(logits, np.zeros(images, np.int64))
    said = probabilities.judge(logits, np.zeros(images, np.int64), temperature).confidence[0]
    assert said == pytest.approx((images + 1) / (images + 2), abs=1e-4)


def test_a_temperature_of_few_images_costs_little_on_others() -> None:
    """Averaged over many draws of 20 images, most of which hold no mistake."""
    logits, labels = honest(4000, classes=2, seed=1)
    best = probabilities.judge(logits, labels).log_loss.mean()
    costs = [
        probabilities.judge(logits, labels, probabilities.fit_temperature(*honest(20, classes=2, seed=seed)))
        for seed in range(100, 140)
    ]
    assert np.mean([each.log_loss.mean() for each in costs]) < best + 0.04


@pytest.mark.parametrize(
    ("logits", "labels", "expected"),
    [
        (np.zeros((0, 3)), [], 1.0),
        (np.full((5, 3), 7.0), [0, 1, 2, 0, 1], 1.0),
        (np.tile([9.0, 0.0], (50, 1)), [1] * 50, probabilities.HIGHEST),
        (np.tile([1e-3, 0.0], (50, 1)), [0] * 50, probabilities.LOWEST),
    ],
    ids=["no images", "constant", "always wrong", "never wrong, hardly apart"],
)
def test_a_temperature_is_always_a_number_within_its_bounds(logits: Any, labels: list[int], expected: float) -> None:
    assert probabilities.fit_temperature(logits, np.array(labels, np.int64)) == expected


def test_cross_fitting_never_uses_an_images_own_half() -> None:
    """Changing an image's label changes the temperature of the other half only."""
    logits, labels = honest(41)
    before = probabilities.cross_fitted(logits, labels, seed=3)
    assert len(set(before.tolist())) == 2
    labels[7] = logits[7].argmin()
    after = probabilities.cross_fitted(logits, labels, seed=3)
    own = before == before[7]
    np.testing.assert_array_equal(after[own], before[own])
    assert np.all(after[~own] != before[~own])
    assert probabilities.cross_fitted(logits[:1], labels[:1], seed=0).tolist() == [1.0]
