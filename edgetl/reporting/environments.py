"""The environments that can be made, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from edgetl.reporting.lines import following

_NEXT = {
    False: "edgetl env create NAME; edgetl bench --provider NAME",
    True: "edgetl verify BUNDLE --emulate avx2 (or arm64, or a target's name)",
}


def environments(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return one row an environment; each has ``name``, ``description``, ``versions`` (None: not made), ``folder``."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("environment", "what is in it", "description"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(row["name"], _contents(row), row["description"])
    return Group(table, following(_NEXT[_emulates(rows)]))


def _emulates(rows: Sequence[Mapping[str, Any]]) -> bool:
    return all(str(row["name"]).startswith("emulate-") for row in rows)


def _contents(row: Mapping[str, Any]) -> str:
    if row["versions"] is None:
        return "not made"
    return ", ".join(f"{name} {version}" for name, version in row["versions"].items())
