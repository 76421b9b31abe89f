"""Strategies that train by gradients, as a whole, on small pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from edgetl import classifier  # noqa: E402
from edgetl.errors import UsageError  # noqa: E402
from edgetl.pixels import iter_pixels  # noqa: E402
from edgetl.training.descent import checkpoint, loop  # noqa: E402
from edgetl.training.features.forward import Images  # noqa: E402
from edgetl.training.hyper import Hyper  # noqa: E402
from edgetl.training.strategies import gradient, tuning  # noqa: E402
from edgetl.training.task import Task, Trained  # noqa: E402
from tests.photos import class_folders  # noqa: E402
from tests.training.tasks import stripes, task  # noqa: E402

pytestmark = [pytest.mark.training, pytest.mark.engine]

# So that something is learnt in a few steps.
QUICK = Hyper(epochs=3, batch=8, rate=1e-2, augment="none")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stripes(tmp_path_factory.mktemp("stripes") / "photos", 16, noise=40)


def interrupt_in(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    """Let Ctrl-C come at the end of an epoch, before it is validated."""
    original = loop._Training._validate

    def validate(self: loop._Training) -> tuple[float, float]:
        if self.epoch == epoch:
            raise KeyboardInterrupt
        return original(self)

    monkeypatch.setattr(loop._Training, "_validate", validate)


def network(task: Task, trained: Trained) -> torch.nn.Module:
    value = classifier.Classifier(
        arch=task.backbone.name, head=str(task.head), classes=task.dataset.classes, preprocess=task.backbone.preprocess
    )
    module = classifier.build_module(value)
    module.load_state_dict(dict(trained.tensors))
    return module.eval()


def same(first: Trained, second: Trained) -> bool:
    return first.tensors.keys() == second.tensors.keys() and all(
        torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors
    )


def test_finetune_trains_the_last_stage_and_the_head_and_nothing_else(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # From a random head there is much to learn.
    monkeypatch.setattr(tuning, "fitted", tuning.random)
    here = task(photos, tmp_path / "training", hyper=QUICK)
    trained = gradient.finetune(here)
    assert int(trained.notes["best_epoch"]) > 0
    assert float(trained.notes["stopping_loss"]) < float(trained.notes["stopping_loss_before"])
    start = tuning.fitted(here)
    changed = {
        name
        for name, tensor in start.source.tensors.items()
        if not torch.equal(tensor, trained.tensors[f"{classifier.BACKBONE}{name}"])
    }
    assert {name.split(".")[1] for name in changed} == {"6", "7", "9", "10", "11", "12"}

    dataset = here.dataset
    module = Images(network(here, trained), here.backbone.preprocess)
    for images, logits in ((dataset.train, trained.train_logits), (dataset.val, trained.val_logits)):
        pixels = np.concatenate([part for _, part in iter_pixels(dataset.paths(images), here.backbone.preprocess)])
        with torch.inference_mode():
            expected = module(torch.from_numpy(pixels)).numpy()
        np.testing.assert_allclose(logits, expected, atol=1e-3 * np.abs(expected).max())
    assert (tmp_path / "training" / "metrics.jsonl").is_file()
    # Whoever saves the result removes it.
    assert checkpoint.exists(tmp_path / "training")
    # The validation split stopped the training, and is judged: no other images can say how sure the network may be.
    assert dataset.test
    assert trained.unseen is None


def test_finetune_and_full_begin_with_the_probe_and_end_no_worse(photos: Path, tmp_path: Path) -> None:
    # A rate that destroys everything.
    here = task(photos, tmp_path, hyper=replace(QUICK, rate=10.0, epochs=2), head="mlp:8")
    for strategy, stages in ((gradient.finetune, 1), (gradient.full, 3)):
        trained = strategy(here)
        *_, last = (tmp_path / "metrics.jsonl").read_text().splitlines()
        rates = json.loads(last)["learning_rates"]
        assert list(rates) == ["head", *(f"stage -{stage}" for stage in range(1, stages + 1))]
        assert list(rates.values()) == sorted(rates.values(), reverse=True)
        assert trained.notes["best_epoch"] == 0
        start = tuning.fitted(here)
        for name, tensor in start.head.tensors.items():
            assert torch.equal(trained.tensors[f"{classifier.HEAD}{name}"], tensor)
        for name, tensor in start.source.tensors.items():
            assert torch.equal(trained.tensors[f"{classifier.BACKBONE}{name}"], tensor)


def test_a_probe_that_stays_the_best_is_fitted_to_the_stopping_images_too(photos: Path, tmp_path: Path) -> None:
    here = task(photos, tmp_path, hyper=replace(QUICK, rate=10.0, epochs=1))
    dataset = here.dataset.model_copy(update={"train": here.dataset.train + here.dataset.test, "test": ()})
    here = replace(here, dataset=dataset)
    start = tuning.fitted(here)
    assert len(start.fit) < len(dataset.train)
    trained = gradient.finetune(here)
    assert trained.notes["best_epoch"] == 0
    expected = tuning.fit_head(here, start.source, dataset.train)
    for name, tensor in expected.tensors.items():
        assert torch.equal(trained.tensors[f"{classifier.HEAD}{name}"], tensor)


@pytest.mark.parametrize("strategy", [gradient.finetune, gradient.scratch])
def test_an_interrupted_training_gives_the_best_so_far_and_resumes_to_the_same_weights(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: Callable[[Task], Trained]
) -> None:
    # A head with dropout, and augmented images: everything that is random.
    hyper = replace(QUICK, augment="standard", views=2)
    here = task(photos, tmp_path / "whole", hyper=hyper, head="linear:dropout=0.2")
    whole = strategy(here)
    with monkeypatch.context() as patch:
        interrupt_in(patch, epoch=2)
        stopped = strategy(replace(here, folder=tmp_path / "stopped"))
    assert stopped.interrupted
    assert not whole.interrupted
    assert stopped.notes["epochs"] == 1
    assert checkpoint.exists(tmp_path / "stopped")
    with pytest.raises(UsageError, match="other settings"):
        strategy(replace(here, folder=tmp_path / "stopped", resume=True, hyper=replace(hyper, rate=1e-3)))
    resumed = strategy(replace(here, folder=tmp_path / "stopped", resume=True))
    assert same(resumed, whole)
    np.testing.assert_array_equal(resumed.val_logits, whole.val_logits)


def test_images_that_stopped_a_training_and_are_not_judged_say_how_sure_it_may_be(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "fitted", tuning.random)
    here = task(photos, tmp_path, hyper=replace(QUICK, epochs=1))
    dataset = here.dataset.model_copy(update={"train": here.dataset.train + here.dataset.test, "test": ()})
    trained = gradient.finetune(replace(here, dataset=dataset))
    assert trained.unseen is not None
    assert len(trained.unseen.logits) == len(trained.unseen.labels) == trained.notes["stopping_images"]


def test_scratch_learns_everything_with_statistics_that_fit(tmp_path: Path) -> None:
    photos = class_folders(tmp_path / "photos", {"red": 12, "green": 12, "blue": 12})
    here = task(photos, tmp_path / "run", arch="mobilenet_v3_small", hyper=Hyper(epochs=4, batch=8, augment="light"))
    trained = gradient.scratch(here)
    assert float(trained.notes["stopping_loss"]) < 0.8 * float(trained.notes["stopping_loss_before"])
    assert np.mean(trained.val_logits.argmax(1) == tuning.labels(here, here.dataset.val)) > 0.6
    source = tuning.random(here).source.tensors
    same = {name for name in source if torch.equal(source[name], trained.tensors[f"{classifier.BACKBONE}{name}"])}
    assert not {name for name in same if name.endswith(("weight", "running_var"))}


def test_no_stages_that_there_are_not(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="3"):
        gradient.finetune(task(photos, tmp_path, hyper=replace(QUICK, stages=9)))


def test_a_training_needs_images_to_stop_by(tmp_path: Path) -> None:
    from edgetl.dataset import Dataset

    here = task(stripes(tmp_path / "few", 4, noise=20), tmp_path)
    data: Dataset = here.dataset
    one = {image.label: image for image in data.train}
    single = data.model_copy(update={"train": tuple(one.values()), "test": ()})
    with pytest.raises(UsageError, match="--strategy probe"):
        gradient.finetune(replace(here, dataset=single))
