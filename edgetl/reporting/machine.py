"""The machine that something was measured on, in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgetl.reporting.lines import line


def machine(facts: Mapping[str, Any]) -> str:
    """Return board or CPU, usable cores and engines of an artifact's ``machine``; what it does not say is left out."""
    cores = facts.get("cores_allowed")
    parts = [
        facts.get("board") or facts.get("cpu") or "unknown machine",
        f"{cores} core{'' if cores == 1 else 's'}" if cores else "",
        *(f"{name} {version}" for name, version in sorted((facts.get("engines") or {}).items())),
    ]
    return line(", ".join(part for part in parts if part))
