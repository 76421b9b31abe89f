"""Folders of processes that were killed: each living one holds a lock in its own."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
from pathlib import Path

LOCK = "lock"
# One that is just starting may not have its lock yet.
_STARTING_S = 60.0


def sweep(parent: Path, prefix: str) -> None:
    """Remove the folders in ``parent`` whose names begin with ``prefix`` and whose lock nobody holds any more."""
    for folder in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime < _STARTING_S:
                continue
            with (folder / LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
