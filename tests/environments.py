"""Environments as users make them, made once for all tests of a session, in whichever process they run."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from edgetl import environments
from edgetl.errors import EdgetlError, UsageError
from edgetl.progress import Silent

# What is said where no package index can be reached.
_UNREACHABLE = ("Could not read the list", "Could not fetch", "No matching distribution", "Could not find a version")


def cache(factory: pytest.TempPathFactory, *names: str) -> Path:
    """Return a cache folder with the environments ``names`` in it; skips where they cannot be made or fetched."""
    base = factory.getbasetemp()
    # Processes that share the work have a folder each, beside one another.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "environments"
    folder.mkdir(exist_ok=True)
    settings = {"EDGETL_CACHE": str(folder), "PIP_RETRIES": "1", "PIP_DEFAULT_TIMEOUT": "30"}
    with pytest.MonkeyPatch.context() as patched, (folder / "lock").open("w") as lock:
        for name, value in settings.items():
            patched.setenv(name, value)
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in names:
            _make(name)
    return folder


def _make(name: str) -> None:
    try:
        environments.create(name, Silent())
    except UsageError as error:
        pytest.skip(str(error))
    except EdgetlError as error:
        if not any(each in str(error) for each in _UNREACHABLE):
            raise
        pytest.skip(f"no packages can be fetched here: {error}")
