"""The methods of adaptation, a file each beside this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from edgetl.errors import UsageError, nearest
from edgetl.training.adapt import batchnorm, coral, mcc
from edgetl.training.adapt.problem import Network, Problem
from edgetl.training.task import Task


class Method(Protocol):
    """A way of adapting. A module is one."""

    def require(self, task: Task, images: int, /) -> None:
        """Raise UsageError where the task's network or so few ``images`` of the target do not allow it."""

    def adapt(self, problem: Problem) -> Network:
        """Return the adapted network."""


AUTO = "auto"
# In the order in which `auto` trusts them, the first one most.
METHODS: Mapping[str, Method] = {"mcc": mcc, "coral": coral, "bn": batchnorm}


def require_possible(name: str, task: Task, images: int) -> None:
    """Raise UsageError for an unknown method, and for one that is not possible; `AUTO` leaves such out by itself."""
    known = (AUTO, *METHODS)
    if name not in known:
        raise UsageError(f"Unknown method '{name}'.{nearest(name, known)} Known are {', '.join(known)}.")
    if name != AUTO:
        METHODS[name].require(task, images)
