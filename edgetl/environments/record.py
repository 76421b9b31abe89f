"""The environments that were made here, and where they lie."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgetl.files import cache_dir, write_text

# What a finished environment says of itself.
RECORD = "environment.json"
PYTHON = "bin/python"


@dataclass(frozen=True)
class Made:
    """A finished environment: its folder, its Python's version, and the versions of what was installed by name.

    ``program`` is what of it is started, relative to the folder.
    """

    name: str
    folder: Path
    python: str
    versions: Mapping[str, str]
    program: str = PYTHON

    @property
    def interpreter(self) -> Path:
        """What of it is started: its Python, for one that emulates the emulator."""
        return self.folder / self.program

    def save(self, folder: Path) -> None:
        """Write the record into ``folder``, where the environment is until it is finished."""
        record = {"python": self.python, "versions": dict(self.versions), "program": self.program}
        write_text(folder / RECORD, json.dumps(record, indent=2))


def environments_dir() -> Path:
    """Return the folder that environments lie in."""
    return cache_dir() / "environments"


def made(name: str) -> Made | None:
    """Return the environment of that name; None when it was not made, or the Python that it was made with is gone."""
    folder = environments_dir() / name
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        versions, program = dict(record["versions"]), str(record.get("program", PYTHON))
        found = Made(name, folder, str(record["python"]), versions, program)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.interpreter.exists() else None
