"""Starting a script in two processes as a user does, with torchrun."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def torchrun(*program: str | Path, seconds: float = 240) -> subprocess.CompletedProcess[str]:
    """Run ``program`` (a script and its arguments, or ``-m`` and a module's) in two processes on this machine."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_WAIT_POLICY": "passive"}
    launcher = ("torch.distributed.run", "--nproc-per-node", "2", "--standalone")
    return subprocess.run(
        [sys.executable, "-m", *launcher, *map(str, program)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
