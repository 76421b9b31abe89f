"""The worker of this very environment."""

from __future__ import annotations

import sys


def local_command() -> tuple[str, ...]:
    """Return the command line of a worker in this interpreter."""
    # -P: what lies in the user's current folder must not stand in for a module.
    return (sys.executable, "-P", "-m", "edgetl.device")
