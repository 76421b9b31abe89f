"""Programs that tests need: installed where that is possible, else a reason to skip."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

import pytest

# Tests run side by side, and so may their installations.
_APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "-y", "-q")
_SYSTEM = ("/usr/sbin", "/sbin")


def require(programs: Sequence[str], packages: Sequence[str]) -> None:
    """Have ``programs`` here, of Debian's ``packages``; skips where they are not and cannot be installed."""
    if _missing(programs) and not os.geteuid() and shutil.which("apt-get"):
        # A machine's lists of packages may be old, or not there.
        for arguments in (("install", *packages), ("update",), ("install", *packages)):
            if _missing(programs):
                subprocess.run([*_APT, *arguments], capture_output=True, check=False, timeout=500)
    if missing := _missing(programs):
        pytest.skip(f"no {missing[0]} here, and it cannot be installed (apt-get install {' '.join(packages)} as root)")


def where(program: str) -> str | None:
    """Return the path of ``program``, also of one that only root's PATH has; None where it is not."""
    return shutil.which(program, path=os.pathsep.join((os.environ["PATH"], *_SYSTEM)))


def _missing(programs: Sequence[str]) -> list[str]:
    return [program for program in programs if where(program) is None]
