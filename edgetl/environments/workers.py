"""Which command line starts a worker for a provider."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from edgetl.device import machine
from edgetl.environments.carried import start_code
from edgetl.environments.known import ENVIRONMENTS
from edgetl.environments.local import local_command
from edgetl.environments.record import environments_dir, made
from edgetl.environments.wheels import Wheels


def command(provider: str) -> tuple[str, ...]:
    """Return the command line of a worker on this machine that can run ``provider``, as far as one was installed.

    That is the local one where this environment has the provider's engine or no other was made, else the one of the
    environment made for it. A provider that cannot run anywhere is told by its worker.
    """
    environment = ENVIRONMENTS.get(provider)
    if not isinstance(environment, Wheels) or _is_here(environment):
        return local_command()
    there = made(provider)
    # -I: neither the current folder nor the user's variables may bring modules of another environment in.
    return local_command() if there is None else (str(there.interpreter), "-I", "-c", start_code())


def worker_for(asked: Sequence[str], provider: str) -> tuple[str, ...]:
    """Return the command line to run ``provider`` with: what the user ``asked`` for, else `command`'s."""
    return command(provider) if tuple(asked) == local_command() else tuple(asked)


def runs_here(worker: Sequence[str]) -> bool:
    """Return whether a worker's command line is one of `command`'s, so that it runs on the cores of this machine."""
    return tuple(worker) == local_command() or Path(worker[0]).is_relative_to(environments_dir())


def _is_here(environment: Wheels) -> bool:
    """Return whether all distributions are installed in this environment, and nothing that overwrites them."""
    return not machine.clashing_onnxruntimes() and all(map(_is_installed, environment.distributions))


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
