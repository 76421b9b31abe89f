"""What people give to a function, as the stages take it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from edgetl.progress import Progress

# A file or folder; seconds, or a text such as "90s" or "5m".
Place = str | os.PathLike[str]
Duration = float | str


def path(place: Place | None) -> Path | None:
    """Return a path for what names one."""
    from pathlib import Path

    return None if place is None else Path(place)


def run_folder(run: Place | None) -> Path:
    """Return the folder of a run: a path, a name under ``runs/``, or the last one; raises RunError."""
    from edgetl import runs

    return runs.resolve(path(run))


def worker(on: str | None) -> tuple[str, ...]:
    """Return the command line of a worker at an address or of a command, of this environment's for None."""
    from edgetl.environments.local import local_command
    from edgetl.measure.remote import worker_command

    return local_command() if on is None else worker_command(on)


@contextlib.contextmanager
def watched(progress: Progress | None) -> Iterator[Progress]:
    """Yield ``progress``; for None bars where stderr is a terminal, and silence elsewhere."""
    if progress is not None:
        yield progress
        return
    from edgetl.progress import Silent
    from edgetl.reporting.progress import bars_or

    with bars_or(Silent()) as drawn:
        yield drawn
