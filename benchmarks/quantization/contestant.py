"""Who competes: a model file on a provider in a precision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgetl.files import sha256_file


@dataclass(frozen=True)
class Contestant:
    """A model file, how it is run, and what it is called in a table."""

    name: str
    path: Path
    provider: str
    precision: str

    @property
    def quantized(self) -> bool:
        """Whether it computes in int8."""
        return self.precision.startswith("int8")

    def same_as(self, other: Contestant) -> bool:
        """Return whether the two are the same bytes, run in the same way."""
        mine, theirs = ((each.provider, each.precision) for each in (self, other))
        return mine == theirs and sha256_file(self.path) == sha256_file(other.path)
