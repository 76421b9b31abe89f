"""OpenVINO's own benchmark_app on a model file: what it reads, as a process of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

SECONDS = 3
# What it prints last before its first timed run.
_BEGINS = "Measuring performance"
_STARTS_WITHIN_S = 60.0


def program() -> str | None:
    """Return the path of benchmark_app in this environment; None where OpenVINO did not install it."""
    return shutil.which("benchmark_app", path=str(Path(sys.executable).parent)) or shutil.which("benchmark_app")


def median_ms(model: Path, threads: int, seconds: int = SECONDS) -> float:
    """Return the median latency of one image in ms, by the settings that edgetl runs OpenVINO with.

    One request after another, f32, one stream, no more threads than ``threads``. Raises RuntimeError when it fails.
    """
    done = subprocess.run(_command(model, threads, seconds), capture_output=True, text=True, check=False)
    return _median(done.returncode, done.stdout, done.stderr)


class InTurns:
    """A benchmark_app that measures for ``seconds`` by the clock, but only while it is let; a context manager.

    Entered, it has begun to measure and is stopped. It is kept on ``cores``. A run that it is stopped in seems long to
    it: let it make many in each turn, and a median hardly moves.
    """

    def __init__(self, model: Path, threads: int, seconds: int, cores: Sequence[int]) -> None:
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            _command(model, threads, seconds), stdout=self._said, stderr=subprocess.STDOUT, text=True
        )
        # It still imports: the threads that it makes later inherit this.
        os.sched_setaffinity(self._process.pid, cores)

    def __enter__(self) -> Self:
        end = time.monotonic() + _STARTS_WITHIN_S
        while _BEGINS not in self._output():
            if self.ended or time.monotonic() > end:
                said = self._output().strip()[-500:]
                self.__exit__(None, None, None)
                raise RuntimeError(f"benchmark_app did not begin: {said}")
            time.sleep(0.01)
        self._process.send_signal(signal.SIGSTOP)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._said.close()

    @property
    def ended(self) -> bool:
        """Whether its seconds are over and it has printed what it read."""
        return self._process.poll() is not None

    def turn(self, seconds: float) -> None:
        """Let it run for so long, or until it ends."""
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGSTOP)

    def median_ms(self) -> float:
        """Return the median latency in ms once it has ended."""
        return _median(self._process.wait(), self._output(), "")

    def _output(self) -> str:
        self._said.seek(0)
        return self._said.read()


def _command(model: Path, threads: int, seconds: int) -> list[str]:
    return [
        program() or "benchmark_app",
        *("-m", str(model), "-d", "CPU", "-api", "sync", "-hint", "none", "-nstreams", "1"),
        *("-nthreads", str(threads), "-infer_precision", "f32", "-t", str(seconds), "-shape", "[1,224,224,3]"),
    ]


def _median(code: int, said: str, complained: str) -> float:
    found = re.search(r"Median:\s+([\d.]+) ms", said)
    if code or not found:
        raise RuntimeError(f"benchmark_app failed: {(complained or said).strip()[-500:]}")
    return float(found[1])
