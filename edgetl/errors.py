"""The errors that a user can meet, and the exit code of each.

::

    EdgetlError
    ├── UsageError            2   bad input: what was wrong, where, what to do
    │   ├── DataError             a folder, image or manifest
    │   ├── WeightsError          source weights
    │   ├── ConfigError           a target, recipe or settings file
    │   └── RunError              a run folder or one of its artifacts
    ├── MeasureError          3   nothing could be measured
    │   └── WorkerError           a worker died, hung or refused
    └── ExportError           3   the exported model is not the trained one
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

EXIT_PASS = 0
EXIT_FAIL = 1
EXIT_USAGE = 2
EXIT_UNMEASURED = 3
EXIT_INCONCLUSIVE = 4

# As `edgetl docs` takes it.
PAGE = "troubleshooting"


class EdgetlError(Exception):
    """Base of all errors whose message is meant for the user: one sentence, then what to do."""

    exit_code: int = EXIT_UNMEASURED
    # The page, and the part of it, that `edgetl docs` shows and that helps on; empty where the sentence says all.
    docs: str = ""


class UsageError(EdgetlError):
    """The input or the command line is wrong."""

    exit_code = EXIT_USAGE


class DataError(UsageError):
    """The images cannot be used."""

    docs = f"{PAGE}#images"


class WeightsError(UsageError):
    """The source weights cannot be used."""

    docs = f"{PAGE}#weights"


class ConfigError(UsageError):
    """A settings, target or recipe file cannot be used."""

    docs = f"{PAGE}#settings"


class RunError(UsageError):
    """A run folder or one of its artifacts cannot be used."""

    docs = f"{PAGE}#runs"


class MeasureError(EdgetlError):
    """A measurement could not be made."""

    docs = f"{PAGE}#measuring"


class WorkerError(MeasureError):
    """A worker process failed; ``kind`` names the remote error class, ``said`` what a dead one last wrote to stderr."""

    docs = f"{PAGE}#devices"

    def __init__(self, message: str, *, kind: str = "WorkerError", said: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.said = tuple(said)


class ExportError(EdgetlError):
    """The exported graph does not compute what the trained classifier computes."""

    docs = f"{PAGE}#export"


class Interruption(KeyboardInterrupt):
    """Ctrl-C in a stage that knows what it leaves; the message tells the user how to go on from there."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest known name, or an empty string."""
    return _offer(_closest(name, known))


def nearest_path(path: Path) -> str:
    """Return ``" Did you mean 'x'?"`` for what lies in the same folder under nearly that name, or an empty string."""
    try:
        beside = [each.name for each in path.parent.iterdir() if not each.name.startswith(".")]
    except OSError:
        return ""
    # What is there under that very name is not what was looked for. Folders hold much: a guess must be nearer here.
    others = [name for name in beside if name != path.name]
    return _offer([str(path.parent / name) for name in _closest(path.name, others, cutoff=0.65)])


def _closest(name: str, known: Iterable[str], cutoff: float = 0.5) -> list[str]:
    return difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)


def _offer(close: Sequence[str]) -> str:
    return f" Did you mean '{close[0]}'?" if close else ""
