"""A competing load: a process that keeps one core busy, now and then, as a neighbour does."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

# Busy for a second, idle for half of one, on whatever core the system gives.
_BUSY = """
import time
while True:
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        pass
    time.sleep(0.5)
"""


@contextlib.contextmanager
def load(wanted: bool) -> Iterator[None]:
    """Keep a core busy inside the block, if it is ``wanted``."""
    if not wanted:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", _BUSY])
    try:
        yield
    finally:
        process.kill()
        process.wait()
