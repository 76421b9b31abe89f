"""Why a candidate does not come to the end of its trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Setback:
    """Why a candidate was not tried to the end: it cannot run here, does not do what it should, or is not needed."""

    status: Literal["rejected", "unavailable", "skipped"]
    reason: str
