"""The methods of adaptation, each a function from a `Problem` to an adapted `Network`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgetl.errors import UsageError, nearest
from edgetl.training.adapt import batchnorm, coral, mcc
from edgetl.training.adapt.problem import Network, Problem

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
