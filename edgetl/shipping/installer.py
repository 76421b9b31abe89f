"""The host's side of a device's place: `edgetl.device.install`, asked over the runner's own connection."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgetl.measure.worker import Worker

# What is lost of when a connection breaks; a message is taken whole or not at all.
CHUNK = 1 << 18


@dataclass(frozen=True)
class There:
    """What is in a place: the version that programs open, those that lie there, and how many bytes are free."""

    current: str | None
    versions: tuple[str, ...]
    free_bytes: int


class Installer(Worker):
    """A worker on a device that is asked to install something; errors are a worker's."""

    def place(self, root: str) -> There:
        """Lock the folder ``root`` for this conversation and return what is there."""
        header = self._ask({"op": "place", "root": root}).header
        return There(header["current"], tuple(header["versions"]), int(header["free_bytes"]))

    def arrived(self, path: Path, sha256: str) -> int:
        """Return how many bytes of a bundle are there that are those of the file here: sending goes on behind them."""
        header = self._ask({"op": "arrived", "sha256": sha256}).header
        count = int(header["bytes"])
        return count if _prefix(path, count) == header["prefix_sha256"] else 0

    def send(self, path: Path, sha256: str, offset: int, advanced: Callable[[int], None]) -> None:
        """Send a bundle from ``offset`` on; ``advanced`` is told how many bytes are there, after each part."""
        with path.open("rb") as file:
            file.seek(offset)
            while chunk := file.read(CHUNK):
                self._ask({"op": "append", "sha256": sha256, "offset": offset}, chunk)
                offset += len(chunk)
                advanced(offset)

    def unpack(self, sha256: str) -> str:
        """Have the bundle checked and put beside the current version; return its version."""
        return str(self._ask({"op": "unpack", "sha256": sha256}).header["version"])

    def verify(self, version: str, seconds: int) -> tuple[Mapping[str, Any] | None, str]:
        """Return what the version's own program finds there (None where it could not run), and what it said."""
        header = self._ask({"op": "verify", "version": version, "seconds": seconds}).header
        return header["verified"], str(header["said"])

    def switch(self, version: str) -> None:
        """Make a version the current one, at once for whoever opens it."""
        self._ask({"op": "switch", "version": version})

    def discard(self, version: str) -> None:
        """Remove a version that is not the current one."""
        self._ask({"op": "discard", "version": version})

    def prune(self, keep: int) -> tuple[str, ...]:
        """Remove all but the last ``keep`` versions; return those removed."""
        return tuple(self._ask({"op": "prune", "keep": keep}).header["removed"])

    def previous(self) -> str:
        """Return the version that was current before."""
        return str(self._ask({"op": "previous"}).header["version"])


def _prefix(path: Path, count: int) -> str | None:
    """Return the SHA-256 of a file's first ``count`` bytes; None where it has not so many."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while count:
            chunk = file.read(min(CHUNK, count))
            if not chunk:
                return None
            digest.update(chunk)
            count -= len(chunk)
    return digest.hexdigest()
