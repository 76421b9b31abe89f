"""Raw timings as JSON beside a result: statistics are derived from them and never stored alone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from edgetl.files import write_text
from edgetl.measure.launches import Launch

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
