"""What earlier scans saw in files that have not changed since, so that they need not be decoded again.

One file per data set and version of the decoders below ``<cache>/scans``, holding usable images only and those of the
last scan only::

    name        uint8 (n, 32)      SHA-256 of path, device, inode, size and the times of modification and change
    sha256      uint8 (n, 32)      of the file's content
    descriptor  float16 (n, SIZE)  see `descriptor`

An image is known by its file's status alone, as git does it: whatever changes a file changes that. What does not is a
medium that decays; delete the folder to have every file read again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL

from edgetl import __version__
from edgetl.dataset.descriptor import SIZE, Descriptors
from edgetl.errors import UsageError
from edgetl.files import cache_dir, replacing

FOLDER = "scans"
# Raise it when a descriptor or what counts as usable changes.
VERSION = 1
LIMIT = 512 * 1024**2
# A file can change twice within a tick of its file system's clock. What changed as shortly before the scan is looked at
# once more by the next one (git's "racy" rule); FAT has ticks of two seconds.
SETTLED_NS = 2 * 10**9


@dataclass(frozen=True)
class Look:
    """What a look at a usable image gave: its content's SHA-256 and its descriptor, float16 of shape (SIZE,)."""

    sha256: str
    descriptor: Descriptors


class Seen:
    """The looks at the images of the data set at ``root``, from earlier scans; `keep` is for the next one."""

    def __init__(self, root: Path) -> None:
        told = "\0".join((str(VERSION), __version__, PIL.__version__, str(root.absolute())))
        self._path = cache_dir() / FOLDER / f"{hashlib.sha256(os.fsencode(told)).hexdigest()[:32]}.npz"
        self._now = time.time_ns()
        self._looks = _read(self._path)

    def name(self, path: Path, status: os.stat_result) -> bytes | None:
        """Return what a file's look is known by; None for one that changed so lately that it may yet do so unseen."""
        if max(status.st_mtime_ns, status.st_ctime_ns) > self._now - SETTLED_NS:
            return None
        numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return hashlib.sha256(os.fsencode(path) + repr(numbers).encode()).digest()

    def look(self, name: bytes) -> Look | None:
        """Return the look at the file of ``name``, None if there was none."""
        return self._looks.get(name)

    def keep(self, looks: Iterable[tuple[bytes | None, Look]]) -> None:
        """Store the looks of this scan in place of the last one's; without a word if that is not possible."""
        kept = {name: look for name, look in looks if name is not None}
        if kept.keys() == self._looks.keys():
            return
        with contextlib.suppress(OSError, UsageError):
            with replacing(self._path) as temporary:
                np.savez(
                    temporary,
                    name=_bytes(kept),
                    sha256=_bytes(bytes.fromhex(look.sha256) for look in kept.values()),
                    descriptor=np.array([look.descriptor for look in kept.values()], np.float16).reshape(-1, SIZE),
                )
            _trim(self._path)


def _read(path: Path) -> dict[bytes, Look]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            names, hashes, descriptors = (stored[key] for key in ("name", "sha256", "descriptor"))
    except (OSError, EOFError, ValueError, KeyError, RuntimeError, MemoryError, zlib.error, zipfile.BadZipFile):
        # There is none yet, or it is damaged and is made again.
        return {}
    if not names.shape == hashes.shape == (len(names), 32) or descriptors.shape != (len(names), SIZE):
        return {}
    if names.dtype != np.uint8 or hashes.dtype != np.uint8 or descriptors.dtype != np.float16:
        return {}
    return {
        name.tobytes(): Look(sha256.tobytes().hex(), descriptor)
        for name, sha256, descriptor in zip(names, hashes, descriptors, strict=True)
    }


def _bytes(rows: Iterable[bytes]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 32)


def _trim(latest: Path) -> None:
    """Remove the files written longest ago until all have at most LIMIT bytes, but never ``latest``."""
    files = []
    for path in latest.parent.glob("*.npz"):
        # Another process may remove files at the same time.
        with contextlib.suppress(OSError):
            status = path.stat()
            files.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= LIMIT or path == latest:
            return
        path.unlink(missing_ok=True)
        total -= size
