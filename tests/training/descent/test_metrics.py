"""Metrics of a training, as JSON lines and for TensorBoard."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from edgetl.training.descent.metrics import EVENTS, FILE, EpochMetrics, Metrics

pytestmark = pytest.mark.training


def epoch(number: int, loss: float = 0.5) -> EpochMetrics:
    rates = {"head": 1e-3, "stage 1": 1e-4} if number else {}
    return EpochMetrics(number, loss if number else None, loss, 0.75, rates, 2.0, 50.0 if number else None)


def write(folder: Path, kept: int, *numbers: int, loss: float = 0.5) -> None:
    metrics = Metrics(folder, kept)
    for number in numbers:
        metrics.add(epoch(number, loss))
    metrics.close()


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / FILE).read_text().splitlines()]


def test_one_line_an_epoch(tmp_path: Path) -> None:
    write(tmp_path, -1, 0, 1)
    first, second = lines(tmp_path)
    assert first["train_loss"] is None
    assert second == {
        "epoch": 1,
        "train_loss": 0.5,
        "val_loss": 0.5,
        "val_accuracy": 0.75,
        "learning_rates": {"head": 1e-3, "stage 1": 1e-4},
        "seconds": 2.0,
        "images_per_s": 50.0,
    }


def test_a_loss_that_is_no_number_is_null(tmp_path: Path) -> None:
    write(tmp_path, -1, 1, loss=float("nan"))
    assert "NaN" not in (tmp_path / FILE).read_text()
    assert lines(tmp_path)[0]["val_loss"] is None


def test_a_continued_training_replaces_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    write(tmp_path, -1, 0, 1, 2)
    with (tmp_path / FILE).open("a") as file:
        file.write('{"epoch": 3, "tra')
    write(tmp_path, 1, 2, 3, loss=0.25)
    assert [(line["epoch"], line["val_loss"]) for line in lines(tmp_path)] == [(0, 0.5), (1, 0.5), (2, 0.25), (3, 0.25)]
    write(tmp_path, -1, 0)
    assert [line["epoch"] for line in lines(tmp_path)] == [0]


def test_tensorboard_shows_each_epoch_once(tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    write(tmp_path, -1, 0, 1, 2)
    write(tmp_path, 1, 2, 3, loss=0.25)
    shown = accumulators.EventAccumulator(str(tmp_path / EVENTS))
    shown.Reload()
    assert [(event.step, event.value) for event in shown.Scalars("loss/val")] == [
        (0, 0.5),
        (1, 0.5),
        (2, 0.25),
        (3, 0.25),
    ]
    assert {"loss/train", "accuracy/val", "learning_rate/head", "learning_rate/stage 1", "images_per_s"} <= {
        name.replace("stage_1", "stage 1") for name in shown.Tags()["scalars"]
    }
    write(tmp_path, -1, 0)
    anew = accumulators.EventAccumulator(str(tmp_path / EVENTS))
    anew.Reload()
    assert [event.step for event in anew.Scalars("loss/val")] == [0]


def test_without_tensorboard_there_are_still_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    write(tmp_path, -1, 0, 1)
    assert len(lines(tmp_path)) == 2
    assert not (tmp_path / EVENTS).exists()
