"""The strategy `auto`, on small pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from edgetl import classifier  # noqa: E402
from edgetl.errors import UsageError  # noqa: E402
from edgetl.training.descent import checkpoint, loop  # noqa: E402
from edgetl.training.hyper import Hyper  # noqa: E402
from edgetl.training.strategies import auto, estimate, ladder, tuning  # noqa: E402
from edgetl.training.task import Task, Trained  # noqa: E402
from tests.photos import Remarks  # noqa: E402
from tests.training.tasks import stripes, task  # noqa: E402

pytestmark = [pytest.mark.training, pytest.mark.engine]

QUICK = Hyper(epochs=2, batch=8, rate=1e-2, augment="light", views=1)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stripes(tmp_path_factory.mktemp("stripes") / "photos", 16, noise=40)


@pytest.fixture
def here(photos: Path, tmp_path: Path) -> Task:
    return task(photos, tmp_path / "training", hyper=QUICK)


def wins(monkeypatch: pytest.MonkeyPatch, name: str) -> list[str]:
    """Let the way called ``name`` beat all others, and note which trainings were run."""
    ran: list[str] = []
    tell = auto._tell

    def noted(task: Task, tried: list[auto.Way], way: auto.Way) -> None:
        ran.append(way.name)
        tell(task, tried, replace(way, errors=np.full_like(way.errors, 0.0 if way.name == name else 0.9)))

    monkeypatch.setattr(auto, "_tell", noted)
    monkeypatch.setattr(ladder, "better", lambda cheap, dear: bool(dear.mean() < cheap.mean()))
    return ran


def same(first: Trained, second: Trained) -> bool:
    return first.tensors.keys() == second.tensors.keys() and all(
        torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors
    )


def test_a_probe_that_nothing_can_beat_is_fitted_to_all_images_and_nothing_else_is_tried(
    here: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = wins(monkeypatch, "probe")
    monkeypatch.setattr(ladder, "can_be_beaten", lambda errors: False)
    trained = auto.auto(here)
    assert ran == []
    assert trained.notes["chosen"] == "probe"
    assert "nothing could be told to be better" in str(trained.notes["ended"])
    start = tuning.fitted(here)
    expected = tuning.fit_head(here, start.source, here.dataset.train)
    assert torch.equal(trained.tensors[f"{classifier.HEAD}0.weight"], expected.tensors["0.weight"])
    assert trained.val_logits.shape == (len(here.dataset.val), 3)
    assert len(trained.train_logits) == len(here.dataset.train)


def test_all_ways_are_tried_from_cheap_to_dear_and_the_best_is_kept(
    here: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = wins(monkeypatch, "finetune with 2 stages")
    monkeypatch.setattr(ladder, "can_be_beaten", lambda errors: True)
    trained = auto.auto(here)
    ways = ["probe with 1 augmented views", "finetune with 1 stage", "finetune with 2 stages", "full"]
    assert ran == ways
    assert trained.notes["chosen"] == "finetune with 2 stages"
    assert trained.notes["ended"] == "all ways were tried"
    assert {f"accuracy of {way}" for way in ("probe", *ways)} <= trained.notes.keys()
    # Whoever saves the result removes them.
    assert all(map(checkpoint.exists, here.folder.iterdir()))
    assert isinstance(here.progress, Remarks)
    assert any(
        "finetune with 2 stages" in remark and "is better than probe" in remark for remark in here.progress.remarks
    )


def test_views_that_are_the_images_themselves_are_no_way_of_their_own(
    here: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = wins(monkeypatch, "none of them")
    monkeypatch.setattr(ladder, "can_be_beaten", lambda errors: True)
    monkeypatch.setattr(estimate, "seconds", lambda task, start, stages, choices: 1e6)
    trained = auto.auto(replace(here, hyper=replace(QUICK, augment="none", views=0)))
    assert ran == []
    assert trained.notes["chosen"] == "probe"
    assert str(trained.notes["ended"]).startswith("finetune with 1 stage would take")


def test_nothing_is_begun_that_takes_too_long(here: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = wins(monkeypatch, "none of them")
    monkeypatch.setattr(ladder, "can_be_beaten", lambda errors: True)
    monkeypatch.setattr(estimate, "seconds", lambda task, start, stages, choices: 10.0**stages)
    trained = auto.auto(replace(here, time_budget_s=99.0))
    assert ran == ["probe with 1 augmented views", "finetune with 1 stage"]
    assert trained.notes["chosen"] == "probe"
    assert "would take about 100 s" in str(trained.notes["ended"])


def test_an_interrupted_search_gives_the_best_so_far_and_goes_on_where_it_was(
    here: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder, "can_be_beaten", lambda errors: True)
    with pytest.raises(UsageError, match="without --resume"):
        auto.auto(replace(here, resume=True))
    with monkeypatch.context() as patch:
        wins(patch, "finetune with 2 stages")
        whole = auto.auto(replace(here, folder=here.folder.parent / "whole"))
    epochs: list[int] = []
    original = loop._Training._epoch

    def epoch(self: loop._Training) -> None:
        epochs.append(self.epoch)
        if len(epochs) == 4:
            raise KeyboardInterrupt
        original(self)

    monkeypatch.setattr(loop._Training, "_epoch", epoch)
    with monkeypatch.context() as patch:
        wins(patch, "finetune with 1 stage")
        stopped = auto.auto(here)
    assert stopped.interrupted
    assert stopped.notes["chosen"] == "finetune with 1 stage"
    with monkeypatch.context() as patch:
        wins(patch, "finetune with 2 stages")
        resumed = auto.auto(replace(here, resume=True))
    assert not resumed.interrupted
    # The first training was over, the second lacked an epoch.
    assert epochs == [0, 1, 0, 1, 1, 0, 1]
    assert same(resumed, whole)


def test_the_estimate_grows_with_what_there_is_to_do(here: Task) -> None:
    from edgetl.training.strategies.gradient import FINETUNE

    start = tuning.fitted(here)
    few = estimate.seconds(replace(here, hyper=Hyper(epochs=1, views=1)), start, 1, FINETUNE)
    many = estimate.seconds(replace(here, hyper=Hyper(epochs=500, views=1)), start, 1, FINETUNE)
    assert 0 < few < many
