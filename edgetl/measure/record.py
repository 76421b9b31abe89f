"""Raw timings as JSON beside a result: statistics are derived from them and never stored alone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from edgetl.artifacts import State
from edgetl.errors import RunError
from edgetl.files import write_text
from edgetl.measure.launches import Launch, Timed

SCHEMA_VERSION = 2


def save(path: Path, launches: Sequence[Launch]) -> None:
    """Write every launch of every variant, in integer ns and bytes, atomically."""
    raw = {
        "schema_version": SCHEMA_VERSION,
        "unit": "ns",
        "launches": [
            {
                "state": launch.state.model_dump(),
                "timed": {name: dataclasses.asdict(timed) for name, timed in launch.timed.items()},
            }
            for launch in launches
        ],
    }
    write_text(path, json.dumps(raw))


def load(path: Path) -> tuple[Launch, ...]:
    """Return the launches that `save` wrote; raises RunError for a file that is damaged or newer."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema_version"] > SCHEMA_VERSION:
            raise RunError(f"{path} was written by a newer edgetl. Upgrade edgetl, or make it again.")
        return tuple(
            Launch({name: Timed(**timed) for name, timed in each["timed"].items()}, State(**each["state"]))
            for each in raw["launches"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged ({error}). Make it again.") from error
