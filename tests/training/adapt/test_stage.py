"""Adapting a small classifier of stripes to pictures from a worse camera."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from edgetl.errors import UsageError  # noqa: E402
from edgetl.training.adapt import coral, mcc, stage, target  # noqa: E402
from edgetl.training.adapt.problem import Network, Problem  # noqa: E402
from edgetl.training.adapt.values import SOURCE_ONLY, Adaptation  # noqa: E402
from edgetl.training.settings import Adapt  # noqa: E402
from edgetl.training.strategies import STRATEGIES  # noqa: E402
from edgetl.training.task import Task, Trained  # noqa: E402
from tests.training.tasks import stripes, task  # noqa: E402

pytestmark = pytest.mark.training

PER_CLASS = 16


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcc, "LEAST", 6)
    monkeypatch.setattr(mcc, "MOST", 6)


def trained(tmp_path: Path, arch: str = "squeezenet1_1") -> tuple[Task, Trained]:
    given = task(stripes(tmp_path / "source", PER_CLASS, 5), tmp_path / "run", arch=arch)
    return given, STRATEGIES["probe"](given)


def darker(tmp_path: Path) -> Path:
    """Return pictures that are dim and of low contrast, half of them in ``new``, half in ``check``."""
    root = tmp_path / "shifted"
    for index, path in enumerate(sorted(stripes(tmp_path / "drawn", PER_CLASS + 14, 9).rglob("*.png"))):
        where = root / ("new" if index % 2 else "check") / path.parent.name / path.name
        where.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((np.asarray(Image.open(path)) * (0.35, 0.25, 0.2) + 10).astype(np.uint8)).save(where)
    return root


def test_auto_reports_every_method_that_can_be_used_beside_source_only(tmp_path: Path) -> None:
    given, before = trained(tmp_path)
    root = darker(tmp_path)
    images, check = target.read(Adapt(root / "new", root / "check"), given.dataset, given.progress)
    adapted = stage.adapt(given, before, images, check)
    about = adapted.adaptation
    assert [row.method for row in about.rows] == [SOURCE_ONLY, "mcc", "coral"]
    # It has no BatchNorm.
    assert [left.method for left in about.left] == ["bn"]
    assert about.method == "mcc"
    assert about.rows[0].gain == 0
    assert about.rows[0].source_accuracy == pytest.approx(
        np.mean(before.val_logits.argmax(1) == given.dataset.labels(given.dataset.val))
    )
    for row in about.rows:
        assert row.accuracy is not None
        assert row.gain == pytest.approx(row.accuracy - about.rows[0].accuracy)
        assert row.gain_ci[0] <= row.gain <= row.gain_ci[1]
    assert about.row("coral").gain > 0.05
    assert Adaptation.model_validate_json(about.model_dump_json()) == about
    # What is handed on is the network of the chosen row, and its logits are its own.
    network = Network.of(given, adapted.trained.tensors)
    problem = Problem(given, network, images)
    again = problem.logits(network.head, problem.of(network.backbone, check.paths, check.hashes))
    assert np.mean(again.argmax(1) == check.labels) == about.row("mcc").accuracy
    assert adapted.trained.notes["adapted_by"] == "mcc"
    assert adapted.trained.tensors.keys() == before.tensors.keys()
    assert adapted.trained.unseen is None


def test_labels_decide_nothing(tmp_path: Path) -> None:
    given, before = trained(tmp_path)
    root = darker(tmp_path)
    images, check = target.read(Adapt(root / "new", root / "check"), given.dataset, given.progress)
    wrong = replace(check, labels=tuple((label + 1) % 3 for label in check.labels))
    results = [stage.adapt(given, before, images, labels) for labels in (check, wrong, None)]
    for result in results[1:]:
        assert result.adaptation.method == results[0].adaptation.method
        for name, tensor in results[0].trained.tensors.items():
            assert torch.equal(tensor, result.trained.tensors[name]), name
    assert results[2].adaptation.rows[1].accuracy is None


@pytest.mark.parametrize("method", ["bn", "coral", "mcc"])
def test_each_method_changes_its_part_and_nothing_that_was_given(tmp_path: Path, method: str) -> None:
    given, before = trained(tmp_path, "shufflenet_v2_x1_0")
    root = darker(tmp_path)
    images, _ = target.read(Adapt(root / "new"), given.dataset, given.progress)
    kept = {name: tensor.clone() for name, tensor in before.tensors.items()}
    adapted = stage.adapt(given, before, images, method=method)
    assert adapted.adaptation.asked == adapted.adaptation.method == method
    assert all(torch.equal(before.tensors[name], tensor) for name, tensor in kept.items())
    changed = {name for name, tensor in adapted.trained.tensors.items() if not torch.equal(tensor, kept[name])}
    statistics = {name for name in kept if name.endswith(("running_mean", "running_var"))}
    if method == "bn":
        assert changed <= statistics
        assert len(changed) > len(statistics) / 2
    elif method == "coral":
        assert changed
        assert all(name.startswith("head.") for name in changed)
    else:
        assert not changed & statistics
        assert any(name.startswith("backbone.conv5") for name in changed)
        assert not any(name.startswith(("backbone.conv1", "backbone.stage2")) for name in changed)
    assert all(torch.isfinite(tensor).all() for tensor in adapted.trained.tensors.values())


@pytest.mark.parametrize("method", ["coral", "mcc"])
def test_no_method_is_fitted_to_copies_of_judging_images(tmp_path: Path, method: str) -> None:
    given, before = trained(tmp_path)
    images, _ = target.read(Adapt(darker(tmp_path) / "new"), given.dataset, given.progress)
    leaking = given.dataset.model_copy(update={"train": given.dataset.train + given.dataset.test})
    clean, leaked = (
        stage.adapt(replace(given, dataset=dataset), before, images, method=method).trained
        for dataset in (given.dataset, leaking)
    )
    assert all(torch.equal(clean.tensors[name], tensor) for name, tensor in leaked.tensors.items())
    assert len(leaked.train_logits) == len(leaking.train)


def test_mcc_is_coral_on_a_trained_last_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, before = trained(tmp_path)
    images, _ = target.read(Adapt(darker(tmp_path) / "new"), given.dataset, given.progress)
    problem = Problem(given, Network.of(given, before.tensors), images)
    aligned, adapted = coral.adapt(problem), mcc.adapt(problem)
    assert not torch.equal(adapted.head["0.weight"], aligned.head["0.weight"])
    again = coral.adapt(replace(problem, network=adapted))
    assert torch.equal(adapted.head["0.weight"], again.head["0.weight"])
    # Without a step, nothing but coral is left.
    monkeypatch.setattr(mcc, "HEAD", 0.0)
    monkeypatch.setattr(mcc, "BACKBONE", 0.0)
    assert torch.equal(mcc.adapt(problem).head["0.weight"], aligned.head["0.weight"])


def test_what_this_network_or_so_few_images_do_not_allow_is_refused_when_asked_for(tmp_path: Path) -> None:
    given, before = trained(tmp_path)
    root = darker(tmp_path)
    images, _ = target.read(Adapt(root / "new"), given.dataset, given.progress)
    few = replace(images, paths=images.paths[:12], hashes=images.hashes[:12])
    with pytest.raises(UsageError, match="no BatchNorm"):
        stage.adapt(given, before, images, method="bn")
    with pytest.raises(UsageError, match="at least 32"):
        stage.adapt(given, before, few, method="mcc")
    with pytest.raises(UsageError, match="Unknown method"):
        stage.adapt(given, before, few, method="magic")
    adapted = stage.adapt(given, before, few)
    assert adapted.adaptation.method == "coral"
    assert {left.method for left in adapted.adaptation.left} == {"mcc", "bn"}
