"""The file in which figures are kept as they are found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from edgetl.files import write_text


class Kept:
    """Figures by part and name in the file ``path``; what it has already is measured ``again`` only where asked for."""

    def __init__(self, path: Path, *, again: bool) -> None:
        self._path, self._again = path, again
        self._all: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        self._new: set[tuple[str, str]] = set()

    def get(self, part: str, name: str, asked: object) -> Any:
        """Return the figures that were found for the same ``asked``; None where they are to be measured."""
        entry = self._all.get(part, {}).get(name)
        old = self._again and (part, name) not in self._new
        return None if entry is None or old or entry["asked"] != asked else entry["found"]

    def keep(self, part: str, name: str, asked: object, found: object) -> Any:
        """Write ``found`` into the file, and return it as a later run reads it: without tuples."""
        self._all.setdefault(part, {})[name] = {"asked": asked, "machine": describe(), "found": found}
        text = json.dumps(self._all, indent=2)
        write_text(self._path, text + "\n")
        self._all = json.loads(text)
        self._new.add((part, name))
        return self._all[part][name]["found"]
