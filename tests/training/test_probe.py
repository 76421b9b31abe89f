"""The probe against scikit-learn, and what a user would miss."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from edgetl.progress import Silent  # noqa: E402
from edgetl.training import probe  # noqa: E402

pytestmark = pytest.mark.training

Data = tuple[NDArray[np.float32], NDArray[np.int64]]


def blobs(images: int, width: int, classes: int = 3, spread: float = 1.0, seed: int = 0) -> Data:
    """Return points around one centre a class, with columns of very different scales."""
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % classes
    centres = np.random.default_rng(99).normal(0, 1, (classes, width))
    scales = np.logspace(-2, 2, width)
    points = (centres[labels] + rng.normal(0, spread, (images, width))) * scales + 5 * scales
    return points.astype(np.float32), labels


def logits(fitted: probe.Probe, x: NDArray[np.float32]) -> NDArray[np.float64]:
    return x.astype(np.float64) @ fitted.weight.double().numpy().T + fitted.bias.double().numpy()


@pytest.mark.parametrize(("images", "width"), [(60, 200), (300, 20)], ids=["wide", "tall"])
def test_it_is_the_logistic_regression_of_scikit_learn(images: int, width: int) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, y = blobs(images, width, spread=2.0)
    fitted = probe.fit(x, y, 3, 0, Silent())
    deviation = x.std(0, dtype=np.float64)
    deviation = np.hypot(deviation, probe.FLOOR * np.sqrt(np.mean(deviation**2)))
    z = (x.astype(np.float64) - x.mean(0, dtype=np.float64)) / deviation
    theirs = linear_model.LogisticRegression(C=1 / (fitted.l2 * images), tol=1e-8, max_iter=5000).fit(z, y)
    ours, expected = logits(fitted, x), theirs.decision_function(z)
    centred = [values - values.mean(1, keepdims=True) for values in (ours, expected)]
    np.testing.assert_allclose(*centred, atol=2e-2)


def test_strength_follows_the_noise() -> None:
    clean = probe.fit(*blobs(90, 60, spread=0.3), 3, 0, Silent())
    noisy = probe.fit(*blobs(90, 60, spread=8.0), 3, 0, Silent())
    assert noisy.l2 > clean.l2
    assert clean.cv_accuracy == 1.0
    assert noisy.cv_accuracy is not None
    assert noisy.cv_accuracy < 0.9


def test_it_generalizes() -> None:
    fitted = probe.fit(*blobs(90, 300, spread=1.5), 3, 0, Silent())
    x, y = blobs(600, 300, spread=1.5, seed=1)
    assert np.mean(logits(fitted, x).argmax(1) == y) > 0.95


def test_the_same_seed_gives_the_same_bits() -> None:
    x, y = blobs(90, 300, spread=2.0)
    first, second = (probe.fit(x, y, 3, 7, Silent()) for _ in range(2))
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias)


def test_a_feature_that_never_changes_gets_no_weight_and_no_nan() -> None:
    x, y = blobs(60, 20)
    x[:, 3] = 1e6
    fitted = probe.fit(x, y, 3, 0, Silent())
    assert torch.all(fitted.weight[:, 3] == 0)
    assert torch.isfinite(fitted.weight).all()


def test_it_survives_its_features_being_rounded_to_int8() -> None:
    """As behind a quantized backbone: one step for all features, which leaves nothing of the small ones."""
    x, y = blobs(300, 40, spread=2.0)
    x = (x - x.mean(0)) / x.std(0)
    x[:, 20:] *= 1e-3
    fitted = probe.fit(x, y, 3, 0, Silent())
    step = np.abs(x).max() / 127
    rounded = np.round(x / step).astype(np.float32) * np.float32(step)
    before, after = (np.mean(logits(fitted, each).argmax(1) == y) for each in (x, rounded))
    assert after > before - 0.02


def test_a_class_with_one_image_is_trained_without_cross_validation() -> None:
    x, _ = blobs(9, 20)
    fitted = probe.fit(x, np.array([0, 0, 0, 0, 1, 1, 1, 1, 2]), 3, 0, Silent())
    assert fitted.cv_accuracy is None
    assert fitted.l2 == probe.UNVALIDATED_L2
    assert logits(fitted, x).argmax(1)[8] == 2


def test_folds_hold_every_class_evenly() -> None:
    labels = np.repeat(np.arange(4), (51, 21, 6, 6))
    folds = probe.folds(labels, 0)
    for label in range(4):
        counts = Counter(folds[labels == label].tolist())
        assert set(counts) == set(range(5))
        assert max(counts.values()) - min(counts.values()) <= 1
    assert max(Counter(folds.tolist()).values()) - min(Counter(folds.tolist()).values()) <= 1


def test_cross_validation_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "CROSS_VALIDATED", 60)
    labels = np.arange(3000) % 3
    folds = probe.folds(labels, 0)
    assert np.sum(folds >= 0) == 60
    assert np.array_equal(np.unique(labels[folds >= 0]), [0, 1, 2])
