"""An evaluation says which classes fail, what is confused, and what a probability is worth, in figures done by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgetl.errors import RunError, UsageError
from edgetl.evaluation import MOST_MISTAKES, Evaluation, HeldOut, Lineage, evaluate
from tests.honest import honest

CLASSES = ("ant", "bee", "fly", "moth")
LINEAGE = Lineage(run="runs/demo", inputs="abc", parent_sha256="def")

# Truth and prediction of ten images; no fly is there, no moth is ever predicted.
TRUTH = [0, 0, 0, 0, 0, 1, 1, 1, 3, 3]
SAID = [0, 0, 0, 1, 1, 1, 1, 0, 1, 2]


def logits_of(said: list[int], margins: Any = 2.0) -> Any:
    logits = np.zeros((len(said), len(CLASSES)), np.float32)
    logits[np.arange(len(said)), said] = margins
    return logits


def evaluated(logits: Any, truth: Any, classes: tuple[str, ...] = CLASSES, **more: Any) -> Evaluation:
    return evaluate(
        logits, truth, classes, [f"{i}.jpg" for i in range(len(truth))], split="val", lineage=LINEAGE, **more
    )


def test_classes_and_confusions() -> None:
    value = evaluated(logits_of(SAID), TRUTH)
    assert (value.images, value.accuracy, value.split) == (10, 0.5, "val")
    assert value.accuracy_ci[0] < 0.5 < value.accuracy_ci[1]
    ant, bee, fly, moth = value.classes
    assert (ant.images, ant.right, ant.predicted, ant.recall, ant.precision) == (5, 3, 4, 0.6, 0.75)
    assert (bee.images, bee.right, bee.predicted, bee.precision) == (3, 2, 5, 0.4)
    assert (fly.images, fly.recall, fly.recall_ci, fly.precision) == (0, None, None, 0.0)
    assert (moth.recall, moth.precision) == (0.0, None)
    assert ant.recall_ci is not None
    assert ant.recall_ci[0] < 0.6 < ant.recall_ci[1]
    assert value.balanced_accuracy == pytest.approx((3 / 5 + 2 / 3 + 0) / 3), "over classes that have images"
    assert [(each.label, each.predicted, each.images) for each in value.confusions] == [
        ("ant", "bee", 2), ("bee", "ant", 1), ("moth", "bee", 1), ("moth", "fly", 1),
    ]  # fmt: skip


def test_the_most_confident_mistakes_come_first() -> None:
    value = evaluated(logits_of(SAID, margins=np.arange(10) / 2), TRUTH)
    assert [each.path for each in value.mistakes] == ["9.jpg", "8.jpg", "7.jpg", "4.jpg", "3.jpg"]
    first = value.mistakes[0]
    assert (first.label, first.predicted) == ("moth", "fly")
    assert first.probability == pytest.approx(np.exp(4.5) / (np.exp(4.5) + 3), rel=1e-5)
    assert len(evaluated(logits_of([0] * 90), [1] * 90).mistakes) == MOST_MISTAKES


def test_a_classifier_that_is_too_sure_is_told_from_chance_and_mended() -> None:
    logits, labels = honest(600)
    calibrated, sure = (evaluated(scale * logits, labels, tuple("abcdefgh")) for scale in (1.0, 3.0))
    assert not calibrated.calibration.off
    assert not calibrated.temperature_helps
    assert sure.calibration.off
    assert sure.calibration.confidence > sure.accuracy
    assert sure.temperature_helps
    assert sure.log_loss_saved_ci[0] > 0
    assert sure.temperature == pytest.approx(3.0, rel=0.2)
    assert sure.scaled.ece < sure.calibration.ece / 2
    assert sum(each.images for each in sure.calibration.bins) == 600
    top = sure.calibration.bins[-1]
    assert (top.low, top.high) == (14 / 15, 1.0)
    assert top.confidence > top.accuracy


def test_a_gain_within_chance_is_no_reason_for_a_temperature() -> None:
    """On 30 images a classifier that is somewhat too sure gains, but with an interval that holds nothing too."""
    logits, labels = honest(30, seed=2)
    value = evaluated(2.5 * logits, labels, tuple("abcdefgh"))
    low, high = value.log_loss_saved_ci
    assert value.log_loss_saved == pytest.approx(value.calibration.log_loss - value.scaled.log_loss)
    assert low < 0 < value.log_loss_saved < high
    assert value.calibration.off
    assert not value.temperature_helps


def test_the_gain_of_a_temperature_is_not_judged_on_the_images_that_it_was_fitted_on() -> None:
    logits, labels = honest(600)
    held = honest(600, seed=1)
    own = evaluated(3 * logits, labels, tuple("abcdefgh"))
    other = evaluated(3 * logits, labels, tuple("abcdefgh"), held_out=HeldOut(6 * held[0], held[1], "train, in turn"))
    assert (own.cross_fitted, own.temperature_from) == (True, "val")
    assert (other.cross_fitted, other.temperature_from) == (False, "train, in turn")
    assert other.temperature == pytest.approx(6.0, rel=0.2), "it is the held-out images' own"
    assert other.scaled.confidence < other.accuracy
    # What it would seem to gain if it were: more.
    again = evaluated(3 * logits, labels, tuple("abcdefgh"), held_out=HeldOut(3 * logits, labels, "val"))
    assert again.temperature == own.temperature
    assert again.scaled.log_loss < own.scaled.log_loss


def test_the_same_input_gives_the_same_evaluation() -> None:
    logits, labels = honest(80)
    first, second = (evaluated(logits, labels, tuple("abcdefgh"), seed=5) for _ in range(2))
    # When it was made, and how long that took, is another matter.
    when = {"seconds": 0.0, "created": ""}
    assert first.model_copy(update=when) == second.model_copy(update=when)


def test_a_perfect_classifier_is_not_off() -> None:
    value = evaluated(logits_of([0, 1, 2, 3] * 9, margins=9.0), [0, 1, 2, 3] * 9)
    assert value.accuracy == value.balanced_accuracy == 1.0
    assert value.mistakes == value.confusions == ()
    assert not value.calibration.off
    assert not value.temperature_helps


def test_a_thousand_classes_stay_a_small_file(tmp_path: Path) -> None:
    logits, labels = honest(3000, classes=1000, strength=6.0)
    value = evaluated(logits.astype(np.float32), labels, tuple(map(str, range(1000))))
    value.save(tmp_path)
    assert len(value.confusions) <= np.sum(logits.argmax(1) != labels)
    assert (tmp_path / "evaluation.json").stat().st_size < 1_000_000


def test_logits_that_are_not_finite_are_a_sentence() -> None:
    logits = logits_of(SAID)
    logits[3, 1] = np.nan
    with pytest.raises(UsageError, match="smaller learning rate"):
        evaluated(logits, TRUTH)


def test_it_is_stored_and_read_back_and_a_missing_one_says_what_to_run(tmp_path: Path) -> None:
    value = evaluated(logits_of(SAID), TRUTH)
    with pytest.raises(RunError, match="Run `edgetl finetune` again"):
        Evaluation.load(tmp_path)
    value.save(tmp_path)
    assert Evaluation.load(tmp_path) == value
    stored = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert (stored["parent_sha256"], stored["inputs"], stored["run"]) == ("def", "abc", "runs/demo")
