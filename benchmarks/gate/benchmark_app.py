"""OpenVINO's own benchmark_app on a model file: what it reads, as a process of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

SECONDS = 3


def program() -> str | None:
    """Return the path of benchmark_app in this environment; None where OpenVINO did not install it."""
    return shutil.which("benchmark_app", path=str(Path(sys.executable).parent)) or shutil.which("benchmark_app")


def median_ms(model: Path, threads: int, seconds: int = SECONDS) -> float:
    """Return the median latency of one image in ms, by the settings that edgetl runs OpenVINO with.

    One request after another, f32, one stream, no more threads than ``threads``. Raises RuntimeError when it fails.
    """
    command = [
        program() or "benchmark_app",
        *("-m", str(model), "-d", "CPU", "-api", "sync", "-hint", "none", "-nstreams", "1"),
        *("-nthreads", str(threads), "-infer_precision", "f32", "-t", str(seconds), "-shape", "[1,224,224,3]"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Median:\s+([\d.]+) ms", done.stdout)
    if done.returncode or not found:
        raise RuntimeError(f"benchmark_app failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return float(found[1])
