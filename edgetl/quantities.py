"""Reading quantities as people write them: ``90s``, ``5m``, ``0.5%``."""

from __future__ import annotations

import re

from edgetl.errors import UsageError

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(said: float | str | None, *, default: float) -> float:
    """Return a duration in seconds; raises UsageError for anything but a positive number, in a text with s, m or h."""
    if said is None:
        return default
    text = _written(said)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", text)
    if not match or float(match[1]) <= 0:
        raise UsageError(f"'{text}' is not a duration. Write for example 90s, 5m or 1h.")
    return float(match[1]) * _SECONDS[match[2]]


def fraction(said: float | str | None) -> float | None:
    """Return a share between 0 and 1 from ``0.5%``, ``0.005`` or a number; raises UsageError for anything else."""
    if said is None:
        return None
    text = _written(said)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", text)
    value = float(match[1]) / (100 if match[2] else 1) if match else 1.0
    if not 0 <= value < 1:
        raise UsageError(f"'{text}' is not a share below 1. Write for example 0.5% or 0.005.")
    return value


def _written(said: float | str) -> str:
    """Return a number as people write it, without an exponent."""
    return said if isinstance(said, str) else f"{said:.9f}".rstrip("0").rstrip(".")
