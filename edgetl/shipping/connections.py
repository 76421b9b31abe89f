"""The connections that are open, so that all can be cut at once, and none is made after that."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from edgetl.shipping.installer import Installer


class Cut(Exception):  # noqa: N818 - a request, not a fault
    """No connection is wanted any more."""


class Connections:
    """Known to all threads of a shipping."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[Installer] = set()
        self._ended = threading.Event()

    @contextlib.contextmanager
    def watched(self, connection: Installer) -> Iterator[None]:
        """Have ``connection`` cut with all others as long as the block lasts; raises Cut where they were cut before."""
        with self._lock:
            if self._ended.is_set():
                raise Cut
            self._open.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)

    def pause(self, seconds: float) -> None:
        """Wait so long; raises Cut as soon as connections are cut."""
        if self._ended.wait(seconds):
            raise Cut

    def cut(self) -> None:
        """End all connections: whoever talks over one meets a dead worker."""
        with self._lock:
            self._ended.set()
            for connection in self._open:
                connection.abandon()
