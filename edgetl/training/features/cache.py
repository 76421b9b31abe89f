"""Keeping the cache of features and exported backbones below a size: what was not used for longest goes first.

Every file there can be made again. The time that a file was last used is its modification time, which `used` sets: the
time of access is not kept by many file systems.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from edgetl.files import cache_dir

FOLDERS = ("features", "backbones")
LIMIT = 8 * 1024**3
# What was used since this program started is never removed.
STARTED = time.time()


def used(path: Path) -> None:
    """Note that ``path`` serves this run."""
    # Of another user, or removed by another process: it is as good without the note.
    with contextlib.suppress(OSError):
        os.utime(path)


def trim(limit: int, since: float) -> None:
    """Remove the files used longest ago until all together have at most ``limit`` bytes, none used after ``since``."""
    files = []
    for folder in FOLDERS:
        for path in (cache_dir() / folder).rglob("*"):
            # Another process may remove files at the same time.
            with contextlib.suppress(OSError):
                status = path.stat()
                if path.is_file():
                    files.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in files)
    for modified, size, path in sorted(files):
        if total <= limit or modified >= since:
            return
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size
