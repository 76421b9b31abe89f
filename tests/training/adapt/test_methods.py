"""The arithmetic of the methods, each on its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgetl.errors import UsageError  # noqa: E402
from edgetl.training.adapt import coral, mcc  # noqa: E402
from edgetl.training.adapt.methods import require_possible  # noqa: E402
from tests.photos import class_folders  # noqa: E402
from tests.training.tasks import task  # noqa: E402

pytestmark = pytest.mark.training


def cloud(images: int, width: int, seed: int) -> np.ndarray:
    """Return correlated features with deviations and means of their own."""
    generator = np.random.default_rng(seed)
    mix = generator.normal(size=(width, width)) * generator.uniform(0.5, 3, width)
    return (generator.normal(size=(images, width)) @ mix + generator.normal(0, 5, width)).astype(np.float32)


@pytest.mark.parametrize(("images", "width"), [(400, 12), (20, 50)], ids=["many images", "few images"])
def test_coral_gives_the_source_the_targets_means_and_deviations(
    images: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coral, "FLOOR", 0.0)
    source, target = cloud(images, width, 0), cloud(images, width, 1)
    moved = coral.aligned(source, target)
    np.testing.assert_allclose(moved.mean(0), target.mean(0), atol=1e-3)
    # The correlations are aligned in part, which leaves a little of the source's in the deviations.
    np.testing.assert_allclose(moved.std(0), target.std(0), rtol=0.35)
    before = np.abs(np.log(source.std(0) / target.std(0))).mean()
    assert np.abs(np.log(moved.std(0) / target.std(0))).mean() < before / 4


def test_coral_without_shrinkage_aligns_the_whole_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coral, "SHRINKAGE", 1e-6)
    monkeypatch.setattr(coral, "FLOOR", 0.0)
    source, target = cloud(400, 12, 0), cloud(400, 12, 1)
    np.testing.assert_allclose(np.cov(coral.aligned(source, target).T), np.cov(target.T), rtol=1e-2, atol=0.1)


def test_coral_leaves_features_of_one_domain_alone() -> None:
    source = cloud(100, 30, 0)
    np.testing.assert_allclose(coral.aligned(source, source), source, rtol=1e-4, atol=1e-3)


def test_coral_survives_features_that_never_change() -> None:
    source, target = cloud(30, 6, 0), cloud(30, 6, 1)
    source[:, 2], target[:, 2], target[:, 4] = 0.0, 0.0, 1.0
    assert np.isfinite(coral.aligned(source, target)).all()
    assert np.isfinite(coral.aligned(source * 0, target * 0)).all()


def test_nothing_is_confused_when_each_class_is_sure_and_all_is_when_none_is() -> None:
    sure = mcc.confusion(100 * torch.eye(4))
    unsure = mcc.confusion(torch.zeros(8, 4))
    assert float(sure) == pytest.approx(0, abs=1e-3)
    assert float(unsure) == pytest.approx(0.75)


def test_batches_show_each_image_once_before_any_twice() -> None:
    batches = mcc._order(40, 5, seed=0)
    assert all(len(batch) == mcc.BATCH for batch in batches)
    seen = [index for batch in batches for index in batch]
    assert sorted(seen[:40]) == list(range(40))
    assert seen[:40] != seen[40:80]


def test_an_unknown_method_is_refused_with_the_nearest_and_an_impossible_one_before_training(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    here = task(class_folders(tmp_path / "photos", {"red": 4, "blue": 4}), tmp_path)
    assert here.backbone.name == "squeezenet1_1"
    for name in ("auto", "coral"):
        require_possible(name, here, 8)
    require_possible("mcc", here, mcc.BATCH)
    for name, images, sentence in (
        ("korall", 99, "Did you mean 'coral'"),
        ("mcc", 8, "at least"),
        ("bn", 99, "no Batch"),
    ):
        with pytest.raises(UsageError, match=sentence):
            require_possible(name, here, images)
