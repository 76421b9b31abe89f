"""The probe as a strategy of its own, on small pictures: which images and which settings reach the head."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from edgetl import classifier  # noqa: E402
from edgetl.dataset import ImageRef, fitting_images  # noqa: E402
from edgetl.errors import DataError  # noqa: E402
from edgetl.training.heads import fitting  # noqa: E402
from edgetl.training.heads.fitting import FittedHead  # noqa: E402
from edgetl.training.hyper import Hyper  # noqa: E402
from edgetl.training.strategies import gradient, probing, tuning  # noqa: E402
from edgetl.training.task import Task, Trained  # noqa: E402
from tests.training.tasks import stripes, task  # noqa: E402

pytestmark = [pytest.mark.training, pytest.mark.engine]

TOLD = Hyper(epochs=2, batch=8, rate=1e-2, patience=2)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stripes(tmp_path_factory.mktemp("stripes") / "photos", 8, noise=40)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Note what each head is fitted with."""
    noted: list[dict[str, Any]] = []
    original = fitting.fit_head

    def fit(*given: Any, **more: Any) -> FittedHead:
        noted.append({"features": given[0], "hyper": given[4], **more})
        return original(*given, **more)

    monkeypatch.setattr(fitting, "fit_head", fit)
    return noted


def with_copies(here: Task, images: tuple[ImageRef, ...]) -> Task:
    """Return the task with copies of ``images`` among its training images."""
    copies = tuple(image.model_copy(update={"path": image.path}) for image in images)
    return replace(here, dataset=here.dataset.model_copy(update={"train": here.dataset.train + copies}))


def same(first: Trained, second: Trained) -> bool:
    return all(torch.equal(first.tensors[name], tensor) for name, tensor in second.tensors.items())


def test_the_users_settings_are_for_the_head_where_nothing_follows_it(
    photos: Path, tmp_path: Path, fits: list[dict[str, Any]]
) -> None:
    here = task(photos, tmp_path, head="mlp:8", hyper=TOLD)
    probing.probe(here)
    tuning.fitted(here)
    tuning.fit_head(here, here.weights, here.dataset.train)
    probing.probed(here, here.weights, 0)
    assert [each["hyper"] for each in fits] == [TOLD, Hyper(), Hyper(), Hyper()]


def test_views_that_are_all_the_same_are_none(photos: Path, tmp_path: Path, fits: list[dict[str, Any]]) -> None:
    for augment in ("none", "light"):
        probing.probe(task(photos, tmp_path, hyper=Hyper(views=2, augment=augment)))
    assert [len(each["views"]) for each in fits] == [0, 2]


def test_near_identical_images_reach_the_fit_as_groups(
    photos: Path, tmp_path: Path, fits: list[dict[str, Any]]
) -> None:
    here = task(photos, tmp_path)
    train = here.dataset.train
    alike = tuple(image.model_copy(update={"alike": f"scene {index // 2}"}) for index, image in enumerate(train))
    probing.probe(replace(here, dataset=here.dataset.model_copy(update={"train": alike})))
    np.testing.assert_array_equal(fits[0]["groups"], np.arange(len(train)) // 2)


@pytest.mark.parametrize("tested", [True, False], ids=["test judges", "val judges"])
def test_copies_of_judging_images_are_not_fitted_to(photos: Path, tmp_path: Path, tested: bool) -> None:
    here = task(photos, tmp_path)
    if not tested:
        here = replace(here, dataset=here.dataset.model_copy(update={"test": ()}))
    judges = here.dataset.test or here.dataset.val
    leaking = with_copies(here, judges)
    clean, leaked = probing.probe(here), probing.probe(leaking)
    assert same(clean, leaked)
    assert len(leaked.train_logits) == len(leaking.dataset.train), "of the whole split"
    assert len(leaked.val_logits) == len(here.dataset.val)
    start = tuning.fitted(leaking)
    assert not {image.sha256 for image in start.fit} & {image.sha256 for image in judges}


def test_train_and_val_of_the_very_same_files_are_refused(photos: Path, tmp_path: Path) -> None:
    here = task(photos, tmp_path)
    same_files = here.dataset.model_copy(update={"val": here.dataset.train, "test": ()})
    for strategy in (probing.probe, gradient.finetune, gradient.scratch):
        with pytest.raises(DataError, match="Every training image of 'leaning' is judged by"):
            strategy(replace(here, dataset=same_files))


def test_a_probe_holds_the_head_of_the_images_to_fit_to(photos: Path, tmp_path: Path) -> None:
    here = with_copies(task(photos, tmp_path), task(photos, tmp_path).dataset.test)
    expected = tuning.fit_head(here, tuning.settled(here), fitting_images(here.dataset))
    trained = probing.probe(here)
    for name, tensor in expected.tensors.items():
        assert torch.equal(trained.tensors[f"{classifier.HEAD}{name}"], tensor)


def test_batchnorm_is_what_the_user_says(photos: Path, tmp_path: Path) -> None:
    for told, of_scratch, of_full in ((None, "train", "frozen"), ("frozen",) * 3, ("train",) * 3):
        here = task(photos, tmp_path, hyper=Hyper(batchnorm=told))
        assert tuning.resolved(here, gradient.SCRATCH).batchnorm == of_scratch
        assert tuning.resolved(here, gradient.FULL).batchnorm == of_full
