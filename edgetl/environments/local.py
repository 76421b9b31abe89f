"""The worker of this very environment."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from edgetl.device import machine


def local_command() -> tuple[str, ...]:
    """Return the command line of a worker in this interpreter."""
    # -P: what lies in the user's current folder must not stand in for a module.
    return (sys.executable, "-P", "-m", "edgetl.device")


def measured_by(command: Sequence[str]) -> tuple[Any, ...]:
    """Return what says on which machine the worker ``command`` measures: a result of another is not this one's.

    For another machine's worker that is its command line: what is behind it is not known before it is asked.
    """
    return (tuple(command), machine.speed(machine.facts())) if tuple(command) == local_command() else (tuple(command),)
