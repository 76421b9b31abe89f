"""Making an environment beside its place and moving it there when it is whole; and removing one."""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgetl.device.leftovers import sweep
from edgetl.environments.known import known
from edgetl.environments.programs import run
from edgetl.environments.record import Made, environments_dir, made
from edgetl.environments.site import Site
from edgetl.errors import EdgetlError, Interruption
from edgetl.files import require_place
from edgetl.progress import Progress

_PREFIX = ".unfinished-"
_FILE = re.compile(r"(Downloading|Using cached) (?:\S*/)?([^\s/]+\.whl) \((.+)\)")


def create(name: str, progress: Progress, *, python: str = sys.executable) -> Made:
    """Make the environment of that name with the interpreter ``python``, and return it; one that is there stays.

    Its place is taken only when it is whole and its engine could be imported. Raises UsageError for a name that is not
    known and a folder that cannot be written, EdgetlError with pip's last words, and Interruption.
    """
    environment = known(name)
    there = made(name)
    if there is not None:
        return there
    parent = environments_dir()
    require_place(parent)
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent, _PREFIX)
    try:
        with _scratch(parent) as (scratch, lock):
            environment.fill(_site(scratch, lock, python, progress)).save(scratch)
            _settle(scratch, parent / name)
    except KeyboardInterrupt:
        raise Interruption(
            f"Interrupted. Nothing of environment '{name}' was kept; the same command starts anew."
        ) from None
    finished = made(name)
    if finished is None:
        raise EdgetlError(f"Environment '{name}' was removed as soon as it was made.")
    return finished


def remove(name: str) -> bool:
    """Remove the environment of that name and return whether there was one; raises UsageError for an unknown name."""
    folder = environments_dir() / known(name).name
    if not folder.exists():
        return False
    require_place(folder.parent)
    with _scratch(folder.parent) as (scratch, _):
        folder.rename(scratch)
    return True


def _site(folder: Path, lock: int, python: str, progress: Progress) -> Site:
    def heard(line: str) -> None:
        if found := _FILE.match(line):
            progress.remark(f"{found[1]} {found[2]} ({found[3]})")

    def said(command: Sequence[str], doing: str) -> list[str]:
        return run(command, doing, heard, keep_open=(lock,))

    return Site(folder, python, said, progress)


def _settle(finished: Path, place: Path) -> None:
    """Move a finished environment to its place, unless another process was faster."""
    if made(place.name) is not None:
        return
    # One whose Python is gone.
    shutil.rmtree(place, ignore_errors=True)
    try:
        finished.rename(place)
    except OSError:
        if made(place.name) is None:
            raise


@contextlib.contextmanager
def _scratch(parent: Path) -> Iterator[tuple[Path, int]]:
    """Yield a place for a folder, which is removed in the end, and the descriptor of a lock on it."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        # Held as long as this process or pip lives, however they die.
        with (folder / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder / "environment", lock.fileno()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
