"""Whole processes, from their start to their end, and the photos and weights that they work on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHARED = Path(os.environ.get("EDGETL_DATA") or Path(__file__).resolve().parents[3] / "shared")
HYMENOPTERA = SHARED / "datasets" / "hymenoptera"
IMAGENET = SHARED / "weights" / "mobilenet_v2-imagenet1k.pth"
HERE = HYMENOPTERA.is_dir() and IMAGENET.is_file()
NOT_HERE = "skipped: no photos or ImageNet weights here (EDGETL_DATA)"


@dataclass(frozen=True)
class Finished:
    """A process that ended well: its wall seconds, its peak resident memory in bytes, the JSON object it printed."""

    seconds: float
    peak_rss_bytes: int
    value: dict[str, Any]


def run(*command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Finished:
    """Run ``command`` to its end, which ends the benchmark if it is a bad one."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, env=os.environ | dict(env or {}), stdout=out, stderr=err)
        # Beside how it ended, this tells the memory of this one process.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{err.read().decode()}")
        return Finished(seconds, usage.ru_maxrss * 1024, json.loads(out.read()))


def edgetl(folder: Path, *arguments: str) -> Finished:
    """Run an edgetl command in ``folder``, with its cache in there, too."""
    command = (sys.executable, "-m", "edgetl", *arguments, "--json")
    return run(*command, cwd=folder, env={"EDGETL_CACHE": str(folder / "cache")})


def share(fraction: float, interval: tuple[float, float]) -> str:
    """Return an accuracy with its interval for a table, in per cent."""
    return f"{fraction:6.1%} [{interval[0]:.1%}, {interval[1]:.1%}]"
