"""When a dearer training is better than a cheaper one by more than chance."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy")

from edgetl.training.descent.brier import errors
from edgetl.training.strategies.ladder import LEVEL, better, can_be_beaten, honest


def judged(generator: np.random.Generator, images: int, wrong: float) -> np.ndarray:
    """Return errors as classifiers make them: next to nothing where they are right, large on a share of images."""
    return np.where(generator.random(images) < wrong, generator.uniform(0.3, 1, images), generator.uniform(0, 0.02))


def test_errors_are_between_right_and_wrong() -> None:
    logits = np.array([[50, 0, 0], [0, 50, 0], [0, 0, 0]], np.float32)
    np.testing.assert_allclose(errors(logits, np.array([0, 0, 0])), [0, 1, 1 / 3], atol=1e-12)


def test_equals_are_rarely_found_better_and_a_clear_gain_mostly() -> None:
    generator = np.random.default_rng(0)
    for images in (20, 40, 200):
        chance = [better(judged(generator, images, 0.2), judged(generator, images, 0.2)) for _ in range(1000)]
        assert np.mean(chance) <= 1.5 * LEVEL
    gained = [better(judged(generator, 40, 0.4), judged(generator, 40, 0.1)) for _ in range(200)]
    assert np.mean(gained) > 0.8


def test_being_a_little_surer_of_easy_images_is_no_gain() -> None:
    cheap = np.random.default_rng(0).uniform(0.005, 0.02, 36)
    assert not better(cheap, cheap / 10)
    assert not better(cheap, np.zeros(36))


def test_the_same_and_the_worse_are_not_better() -> None:
    values = judged(np.random.default_rng(0), 40, 0.5)
    assert not better(values, values)
    assert not better(values, values + 0.2)
    assert better(values, values - 0.2)
    assert not better(np.ones(1), np.zeros(1))


def test_who_is_wrong_on_hardly_an_image_cannot_be_beaten() -> None:
    assert not can_be_beaten(np.zeros(40))
    assert not can_be_beaten(np.eye(40)[0])
    assert can_be_beaten(np.r_[np.ones(6), np.zeros(34)])


def test_the_epoch_is_chosen_without_the_image_that_it_is_judged_by() -> None:
    # Each of two epochs is the best on one half of the images.
    losses = np.array([[0.1, 0.9, 0.2, 0.8], [0.9, 0.1, 0.8, 0.2]])
    np.testing.assert_array_equal(honest(losses, losses), [0.9, 0.9, 0.8, 0.8])
    clear = np.array([[1.0, 1.1, 0.9], [0.1, 0.2, 0.3]])
    np.testing.assert_array_equal(honest(clear[::-1], clear), clear[0])


def test_the_best_of_many_epochs_without_gain_is_mostly_not_found_better() -> None:
    generator = np.random.default_rng(1)
    found = []
    for _ in range(500):
        epochs = np.stack([judged(generator, 40, 0.3) for _ in range(12)])
        best = epochs[epochs.mean(1).argmin()]
        found.append((better(epochs[0], honest(epochs, epochs)), better(epochs[0], best)))
    honestly, by_the_best = np.mean(found, 0)
    assert honestly <= 1.5 * LEVEL
    assert by_the_best > 3 * LEVEL
