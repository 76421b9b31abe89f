"""The competing load of a benchmark ends with it, also where it is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

BENCHMARK = """
import time
from benchmarks.gate.load import load
with load(True) as pid:
    print(pid, flush=True)
    time.sleep(600)
"""
# It looks once in a second and a half; a busy machine may take longer.
PATIENCE_S = 60.0


@pytest.mark.skipif(sys.platform == "win32", reason="a process has no parent's number there")
def test_a_killed_benchmark_leaves_no_load_behind() -> None:
    with subprocess.Popen((sys.executable, "-c", BENCHMARK), stdout=subprocess.PIPE, text=True) as benchmark:
        assert benchmark.stdout is not None
        pid = int(benchmark.stdout.readline())
        assert _runs(pid)
        benchmark.kill()
    end = time.monotonic() + PATIENCE_S
    while _runs(pid) and time.monotonic() < end:
        time.sleep(0.2)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
