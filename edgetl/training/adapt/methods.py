"""The methods of adaptation, each a function from a `Problem` to an adapted `Network`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgetl import weights
from edgetl.errors import UsageError, nearest
from edgetl.training.adapt import batchnorm, coral, mcc
from edgetl.training.adapt.problem import Network, Problem
from edgetl.training.adapt.target import Target
from edgetl.training.features import batchnorm as layers
from edgetl.training.task import Task

AUTO = "auto"
# In the order in which `auto` trusts them, the first one most.
METHODS: Mapping[str, Callable[[Problem], Network]] = {
    "mcc": mcc.adapt,
    "coral": coral.adapt,
    "bn": batchnorm.adapt,
}


def require_known(name: str) -> None:
    """Raise UsageError unless ``name`` is a method or auto."""
    known = (AUTO, *METHODS)
    if name not in known:
        raise UsageError(f"Unknown method '{name}'.{nearest(name, known)} Known are {', '.join(known)}.")


def require_possible(name: str, task: Task, target: Target) -> None:
    """Raise UsageError for a method that the network or so few images do not allow, before anything is trained.

    `AUTO` leaves those out by itself.
    """
    require_known(name)
    arch, images = task.backbone.name, len(target.paths)
    if name == "bn" and not layers.present(weights.attach(task.weights, task.backbone)):
        raise UsageError(f"A {arch} has no BatchNorm to re-estimate. Choose --adapt-method coral or mcc.")
    if name == "mcc" and images < mcc.BATCH:
        raise UsageError(
            f"Adapting by mcc takes at least {mcc.BATCH} images of the target, and there are {images}. Add some, or "
            "choose --adapt-method coral or bn."
        )
