"""How a classifier is trained: a table of strategies, each a function from a `Task` to what was `Trained`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgetl.training.strategies import auto, gradient, probing
from edgetl.training.task import Task, Trained

STRATEGIES: Mapping[str, Callable[[Task], Trained]] = {
    "probe": probing.probe,
    "finetune": gradient.finetune,
    "full": gradient.full,
    "scratch": gradient.scratch,
    "auto": auto.auto,
}
