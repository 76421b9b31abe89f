"""The seconds from `edgetl ship` to a switched version, over ssh on the loopback, whole processes."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests import sshd

TIMES = 5


def measure(bundles: Mapping[str, Path]) -> dict[str, Any]:
    """Return the seconds of shipping one version in turns with another, and of finding nothing to do."""
    names = ("u8s8-equalized", "u8s8-reduced-range")
    with tempfile.TemporaryDirectory(prefix="edgetl-ship-") as scratch, sshd.server(Path(scratch) / "ssh") as address:
        path = f"{scratch}/ssh/bin:{os.environ['PATH']}"
        where = f"{address}{scratch}/device"
        seconds = [_ship(bundles[names[turn % 2]], where, path, "shipped") for turn in range(TIMES)]
        again = _ship(bundles[names[(TIMES - 1) % 2]], where, path, "unchanged")
    return {"megabytes": bundles[names[0]].stat().st_size / 1e6, "seconds": seconds, "unchanged_s": again}


def _ship(bundle: Path, where: str, path: str, expected: str) -> float:
    command = [sys.executable, "-m", "edgetl", "ship", str(bundle), where, "--python", sys.executable, "--keep", "1"]
    start = time.monotonic()
    done = subprocess.run(
        [*command, "--json"], capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False
    )
    seconds = time.monotonic() - start
    (row,) = json.loads(done.stdout)["devices"]
    if row["status"] != expected:
        raise SystemExit(f"{row['status']}: {row['reason']}")
    return seconds


def table(found: dict[str, Any]) -> str:
    """Return the figures as a sentence."""
    listed = ", ".join(f"{each:.1f}" for each in found["seconds"])
    return (
        f"{found['megabytes']:.1f} MB, sent, unpacked, verified (3 s of timing) and switched: median "
        f"{statistics.median(found['seconds']):.1f} s of {listed}; nothing to do: {found['unchanged_s']:.1f} s."
    )


def misses(_found: dict[str, Any]) -> list[str]:
    """Return nothing: no limit is set."""
    return []
