"""Figures as short texts, the same on the whole page."""

from __future__ import annotations

from edgetl.artifacts import Interval
from edgetl.reporting.view.blocks import NONE, Cell

# Enough of a SHA-256 to tell files apart by eye.
HASH = 12


def percent(share: float | None) -> str:
    """Return a share in per cent."""
    return NONE if share is None else f"{100 * share + 0.0:.1f} %"


def number(value: float | None, spec: str = ".2f", unit: str = "") -> str:
    """Return a figure with its unit."""
    return NONE if value is None else f"{value:{spec}}{unit and ' ' + unit}"


def interval(ends: Interval | None, spec: str = ".2f", scale: float = 1.0) -> str:
    """Return an interval as ``low to high``."""
    return NONE if ends is None else f"{scale * ends[0] + 0.0:{spec}} to {scale * ends[1] + 0.0:{spec}}"


def estimated(value: float | None, ends: Interval | None) -> Cell:
    """Return a figure with its interval below it."""
    return Cell(number(value), detail="" if value is None or ends is None else interval(ends))


def megabytes(size_bytes: int) -> str:
    """Return bytes in MB (10^6)."""
    return f"{size_bytes / 1e6:.2f} MB" if size_bytes else NONE


def short(sha256: str) -> str:
    """Return the beginning of a hash."""
    return sha256[:HASH] or NONE


def several(count: int, thing: str) -> str:
    """Return a count with its noun."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
