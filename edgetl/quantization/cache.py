"""Quantized files that other runs may want: copies by what they were made from, in edgetl's cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from edgetl.errors import UsageError
from edgetl.files import cache_dir, sha256_file, write_bytes

CACHE = "quantized"
# Bytes of all copies.
LIMIT = 1 << 30


def cached(origin: str, suffix: str) -> bytes | None:
    """Return the file in the cache that was made from ``origin``; one that was damaged is removed and is none."""
    for path in _cached(f"{origin}-*{suffix}"):
        # Another process may remove it at the same time.
        with contextlib.suppress(OSError):
            if path.stem.endswith(sha256_file(path)):
                os.utime(path)
                return path.read_bytes()
            path.unlink()
    return None


def keep(origin: str, suffix: str, data: bytes) -> None:
    """Put a file into the cache, those used longest ago out of it; where it cannot be written nothing is kept."""
    if len(data) > LIMIT:
        return
    with contextlib.suppress(OSError, UsageError):
        path = cache_dir() / CACHE / f"{origin}-{hashlib.sha256(data).hexdigest()}{suffix}"
        write_bytes(path, data)
    total = 0
    for path in reversed(_cached("*")):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
            if total > LIMIT:
                path.unlink()


def _cached(pattern: str) -> list[Path]:
    """Return the cache's files of that pattern, that used longest ago first."""
    aged = []
    for path in (cache_dir() / CACHE).glob(pattern):
        with contextlib.suppress(OSError):
            aged.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(aged)]
