"""A competing load: a process that keeps one core busy, now and then, as a neighbour does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

# Busy for a second, idle for half of one, on whatever core the system gives; not longer than who started it lives.
_BUSY = """
import os, sys, time
while os.getppid() == int(sys.argv[1]):
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        pass
    time.sleep(0.5)
"""


@contextlib.contextmanager
def load(wanted: bool) -> Iterator[int | None]:
    """Keep a core busy inside the block, if it is ``wanted``; yield the number of the process that does."""
    if not wanted:
        yield None
        return
    process = subprocess.Popen([sys.executable, "-c", _BUSY, str(os.getpid())])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
