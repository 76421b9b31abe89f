"""One way to a fitted head, whatever the head is."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from edgetl import heads  # noqa: E402
from edgetl.errors import UsageError  # noqa: E402
from edgetl.progress import Silent  # noqa: E402
from edgetl.training.heads.fitting import FittedHead, fit_head  # noqa: E402
from edgetl.training.hyper import Hyper  # noqa: E402

pytestmark = pytest.mark.training

ALL = ["linear", "linear:dropout=0.2", "mlp:8", "norm+project:4+linear", "dropout:0.1+mlp:8"]


class Recorded(Silent):
    def __init__(self) -> None:
        self.steps: Counter[str] = Counter()
        self.last: dict[str, tuple[int, int]] = {}

    def step(self, name: str, done: int, total: int) -> None:
        assert done <= total
        assert done >= self.last.get(name, (0, 0))[0]
        self.steps[name] += 1
        self.last[name] = done, total


def clouds(images: int = 120, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    labels = np.arange(images) % 3
    points = np.random.default_rng(seed).normal(0, 0.4, (images, 12))
    points[np.arange(images), labels] += 2
    return (points * np.linspace(1, 3, 12) + 7).astype(np.float32), labels


def fitted(head: str, hyper: Hyper | None = None, progress: Silent | None = None) -> FittedHead:
    hyper = hyper or Hyper(epochs=25, rate=1e-2)
    return fit_head(*clouds(), heads.parse(head), 3, hyper, 0, progress or Silent())


@pytest.mark.parametrize("text", ALL)
def test_every_head_is_fitted_and_its_tensors_are_those_of_the_built_one(text: str) -> None:
    found, (x, y) = fitted(text), clouds(300, seed=1)
    module = heads.build(heads.parse(text), 12, 3).eval()
    module.load_state_dict(dict(found.tensors))
    with torch.inference_mode():
        expected = module(torch.from_numpy(x)).numpy()
    np.testing.assert_array_equal(found.logits(x), expected)
    assert found.logits(x).dtype == np.float32
    assert np.mean(expected.argmax(1) == y) > 0.95
    assert found.cv_accuracy is not None
    assert found.cv_accuracy > 0.9
    assert found.cv_images == 120
    assert found.cv_right == round(found.cv_accuracy * 120)


@pytest.mark.parametrize("text", ALL)
def test_the_same_seed_gives_the_same_bits(text: str) -> None:
    first, second = fitted(text), fitted(text)
    assert all(torch.equal(first.tensors[name], tensor) for name, tensor in second.tensors.items())


def test_only_a_plain_linear_head_is_a_probe() -> None:
    probe, trained = fitted("linear"), fitted("linear:dropout=0.2")
    assert probe.l2 is not None
    assert probe.epochs is None
    assert trained.l2 is None
    assert trained.epochs is not None


@pytest.mark.parametrize("text", ["linear", "mlp:8"])
def test_smoothing_and_class_weights_reach_every_head(text: str) -> None:
    x, y = clouds()
    kept = np.flatnonzero((y != 2) | (np.arange(120) % 4 == 0))
    results = []
    plain_hyper = Hyper(epochs=25, rate=3e-2)
    for hyper in (plain_hyper, replace(plain_hyper, smoothing=0.4), replace(plain_hyper, class_weights="balanced")):
        head = fit_head(x[kept], y[kept], heads.parse(text), 3, hyper, 0, Silent())
        chances = np.exp(head.logits(x))
        results.append(chances / chances.sum(1, keepdims=True))
    plain, smoothed, balanced = results
    assert smoothed.max(1).mean() < plain.max(1).mean() - 0.1
    assert balanced[:, 2].mean() > plain[:, 2].mean()


@pytest.mark.parametrize("text", ["linear", "mlp:8"])
def test_progress_reaches_its_end(text: str) -> None:
    progress = Recorded()
    fitted(text, progress=progress)
    assert len(progress.last) == 2
    assert all(done == total for done, total in progress.last.values())
    assert all(count > 1 for count in progress.steps.values())


@pytest.mark.parametrize("text", ["linear", "mlp:8"])
def test_features_that_are_no_numbers_are_refused(text: str) -> None:
    x, y = clouds()
    x[5, 3] = np.inf
    with pytest.raises(UsageError, match="finite"):
        fit_head(x, y, heads.parse(text), 3, Hyper(), 0, Silent())


@pytest.mark.parametrize("text", ["linear", "mlp:8"])
def test_views_reach_every_head(text: str) -> None:
    x, y = clouds()
    hyper = Hyper(epochs=5)
    alone, seen = (fit_head(x, y, heads.parse(text), 3, hyper, 0, Silent(), views=views) for views in ((), (-x,)))
    assert not np.allclose(alone.logits(x), seen.logits(x), atol=1e-2)


@pytest.mark.parametrize("text", ["linear", "mlp:8"])
def test_groups_reach_every_head(text: str) -> None:
    x, y = clouds()
    hyper, groups = Hyper(epochs=2), np.arange(120) // 6 * 3 + y
    head = fit_head(x, y, heads.parse(text), 3, hyper, 0, Silent(), groups=groups)
    assert head.cross_validated is not None
    assert head.cross_validated.independent == pytest.approx(60)
