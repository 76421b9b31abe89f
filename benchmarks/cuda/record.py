"""The figures, on disk as they come: one JSON file and the tables made of it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.cuda.tables import markdown
from edgetl.files import write_text

Row = dict[str, Any]


@dataclass
class Record:
    """All that is known so far: ``facts`` about the machine and the run, and a row for each thing tried.

    ``end`` is the monotonic time after which nothing more is begun.
    """

    folder: Path
    end: float
    facts: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self.end

    def add(self, row: Mapping[str, Any]) -> Row:
        """Keep a row, and write everything."""
        self.rows.append(dict(row))
        self.save()
        print(" ".join(f"{value:.4g}" if isinstance(value, float) else str(value) for value in _told(row)), flush=True)
        return self.rows[-1]

    def know(self, **facts: Any) -> None:
        """Keep facts, and write everything."""
        self.facts |= facts
        self.save()

    def save(self) -> None:
        """Write both files anew."""
        found = {"schema_version": 1, **self.facts, "rows": self.rows}
        write_text(self.folder / "cuda.json", json.dumps(found, indent=1) + "\n")
        write_text(self.folder / "cuda.md", markdown(found))


def _told(row: Mapping[str, Any]) -> list[Any]:
    return [value for name, value in row.items() if value is not None and name not in ("placement", "mac_share")]
