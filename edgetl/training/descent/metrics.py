"""How a long training went, epoch by epoch, for programs (JSON lines) and for people who use TensorBoard.

::

    <folder>/metrics.jsonl     one object an epoch, appended when it is over
    <folder>/tensorboard/      event files, if the package tensorboard is installed
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgetl.files import write_text

FILE, EVENTS = "metrics.jsonl", "tensorboard"


@dataclass(frozen=True)
class EpochMetrics:
    """One epoch; 0 is the state before training, which has no ``train_loss`` and no rates.

    Losses are mean objectives in nats, ``val_accuracy`` a fraction, both of the stopping images; ``learning_rates`` are
    those of the epoch's last step by part of the network.
    """

    epoch: int
    train_loss: float | None
    val_loss: float
    val_accuracy: float
    learning_rates: Mapping[str, float]
    seconds: float
    images_per_s: float | None


class Metrics:
    """Writes the metrics of one training; what was there of epochs after ``kept`` (of all, for -1) goes first."""

    def __init__(self, folder: Path, kept: int) -> None:
        self._file = folder / FILE
        if kept < 0:
            shutil.rmtree(folder / EVENTS, ignore_errors=True)
        write_text(self._file, "".join(f"{line}\n" for line in _until(self._file, kept)))
        self._writer = _writer(folder / EVENTS, kept + 1)

    def add(self, metrics: EpochMetrics) -> None:
        """Append an epoch."""
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({name: _number(value) for name, value in asdict(metrics).items()}) + "\n")
        if self._writer is None:
            return
        values = {
            "loss/train": metrics.train_loss,
            "loss/val": metrics.val_loss,
            "accuracy/val": metrics.val_accuracy,
            "images_per_s": metrics.images_per_s,
            **{f"learning_rate/{name}": rate for name, rate in metrics.learning_rates.items()},
        }
        for name, value in values.items():
            if value is not None:
                self._writer.add_scalar(name, value, metrics.epoch)
        self._writer.flush()

    def close(self) -> None:
        """Finish the event file."""
        if self._writer is not None:
            self._writer.close()


def _number(value: Any) -> Any:
    """Return None for a loss that is no number, as that of a training that diverged: JSON has none such."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _until(path: Path, kept: int) -> list[str]:
    """Return the lines of epochs up to ``kept``; one that a killed process left half-written is dropped."""
    if kept < 0 or not path.is_file():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["epoch"] <= kept:
                lines.append(line)
        except (ValueError, KeyError, TypeError):
            continue
    return lines


def _writer(folder: Path, purge: int) -> Any:
    """Return TensorBoard's writer, which hides what was written of epoch ``purge`` and later; None without it."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=purge)
