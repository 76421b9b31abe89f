"""How trainings by gradients went, from the JSON lines that they left."""

from __future__ import annotations

import json
from pathlib import Path

from edgetl.gather.values import Curve
from edgetl.training.descent.metrics import FILE, EpochMetrics
from edgetl.training.finetune import TRAINING


def curves(folder: Path) -> tuple[Curve, ...]:
    """Return a curve for each training below the run's ``folder`` that left epochs; half-written lines are dropped."""
    below = folder / TRAINING
    found = [(path.parent, _epochs(path)) for path in sorted(below.rglob(FILE))]
    return tuple(Curve(parent.relative_to(folder).as_posix(), epochs) for parent, epochs in found if epochs)


def _epochs(path: Path) -> tuple[EpochMetrics, ...]:
    epochs = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            epochs.append(EpochMetrics(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return tuple(epochs)
