"""`edgetl quantize` as a user runs it: a whole process with nothing cached, watched from outside."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.quantization.contestant import Contestant
from edgetl import targets
from edgetl.artifacts import Candidate, QuantizeResult
from edgetl.files import data_dir, write_text

POLL_S = 0.2
_MADE = ("candidates", "cache", QuantizeResult.FILE, "quantize-timings.json")


@dataclass(frozen=True)
class Asked:
    """How to search: for how many threads, how long (as edgetl is told), and other options of the command."""

    threads: int
    budget: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Search:
    """What a search in the folder ``run`` found; ``seen_s`` is when each candidate's row with an accuracy first stood.

    ``decided_s`` is since when the choice was the final one. Both are seconds after the process was started, and
    ``seconds`` is when it ended.
    """

    run: Path
    result: QuantizeResult
    seconds: float
    seen_s: dict[str, float]
    decided_s: float

    @property
    def choice(self) -> Contestant:
        """The chosen candidate."""
        return _contestant(self.run, self.result.candidate(self.result.chosen))

    @property
    def quantized(self) -> Contestant | None:
        """The int8 candidate that edgetl would give who asks for one (`quantized_of`)."""
        return quantized_of(self.run, self.result)


def quantized_of(run: Path, result: QuantizeResult) -> Contestant | None:
    """Return the int8 candidate that edgetl would give who asks for one: chosen, else the fastest that it accepted.

    Where it accepted none, the one with the best accuracy on the images that choose. None without any.
    """
    rows = [row for row in result.candidates if row.path and row.precision.startswith("int8")]
    able = [row for row in rows if row.accuracy is not None]
    if not able:
        return None
    kept = [row for row in able if row.status in ("chosen", "accepted")]
    best = max(kept, key=lambda row: (row.status == "chosen", row.speedup or 0.0)) if kept else max(able, key=_right)
    return _contestant(run, best)


def _contestant(run: Path, row: Candidate) -> Contestant:
    return Contestant(f"edgetl {row.name}", run / row.path, row.provider, row.precision)


def search(run: Path, folder: Path, asked: Asked) -> Search:
    """Return what edgetl finds for the model of ``run``; it works in ``folder``, which is a copy."""
    _copy(run, folder)
    target = _target(folder / f"host-{asked.threads}.toml", asked.threads)
    options = ("--run", str(folder), "--target", str(target), "--time-budget", asked.budget, *asked.options, "--json")
    environment = os.environ | {"EDGETL_CACHE": str(folder / "cache")}
    with tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen(
            (sys.executable, "-m", "edgetl", "quantize", *options),
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
        seen, decided = _watched(process, folder / QuantizeResult.FILE, start)
        seconds = time.perf_counter() - start
        if process.returncode:
            err.seek(0)
            raise RuntimeError(f"edgetl quantize ended with {process.returncode}: {err.read()[-2000:]}")
    return Search(folder, QuantizeResult.load(folder), seconds, seen, decided)


def _watched(process: subprocess.Popen[bytes], path: Path, start: float) -> tuple[dict[str, float], float]:
    """Return when each candidate was first seen, and since when the final choice stood."""
    seen: dict[str, float] = {}
    chosen, since = "", 0.0
    ended = False
    while not ended:
        time.sleep(POLL_S)
        # Once more after it ended, for what it wrote last.
        ended = process.poll() is not None
        now, result = time.perf_counter() - start, _read(path)
        for row in result.get("candidates", ()):
            if row["accuracy"] is not None:
                seen.setdefault(row["name"], now)
        if result and result["chosen"] != chosen:
            chosen, since = result["chosen"], now
    return seen, since


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found


def _copy(run: Path, folder: Path) -> None:
    """Make ``folder`` the run without anything that a search left; its files are links, since all are only replaced."""
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(run, folder, copy_function=os.link, ignore=shutil.ignore_patterns(*_MADE))


def _target(path: Path, threads: int) -> Path:
    """Write the target that this machine is, for so many ``threads``."""
    text = (data_dir("targets") / f"{targets.detected()}.toml").read_text()
    text, count = re.subn(r"(?m)^threads = \d+$", f"threads = {threads}", text)
    if count != 1:
        raise RuntimeError(f"The target {path.stem} does not say its threads.")
    write_text(path, text)
    return path


def _right(row: Candidate) -> float:
    return row.accuracy or 0.0
