"""Reading the small files of /proc and /sys, of which any may be missing or not for everybody."""

from __future__ import annotations

from pathlib import Path


def number(path: Path) -> int | None:
    """Return the whole number in a file; None where there is none, or it may not be read."""
    content = text(path)
    return int(content) if content.removeprefix("-").isdigit() else None


def text(path: Path) -> str:
    """Return a file's content without the line's end; empty where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
