"""An adaptation for a terminal: each method beside the network without any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from edgetl.reporting.fitting import Column, FittingTable

NONE = "–"


def adaptation(value: Mapping[str, Any]) -> list[RenderableType]:
    """Return the table of methods and the reason for the one that was taken."""
    rows = value["rows"]
    chosen = [f"{row['method']} *" if row["method"] == value["method"] else row["method"] for row in rows]
    columns = [Column("another domain", [Text(name) for name in chosen], left=True)]
    if value["check_images"]:
        columns += [
            Column("right there", [Text(_percent(row["accuracy"])) for row in rows]),
            Column("gain in points", [Text(_gain(row)) for row in rows]),
            Column("recovered", [Text(_percent(row["recovered"])) for row in rows]),
        ]
    columns += [
        Column("right at home", [Text(_percent(row["source_accuracy"])) for row in rows], rank=1),
        Column("sure there", [Text(_percent(row["confidence"])) for row in rows], rank=2),
    ]
    left = [Text(f"  {each['method']} was left out: {each['reason']}") for each in value["left"]]
    said = f"  * {value['method']}, adapted to {value['images']} images without labels"
    judged = f", judged on {value['check_images']} with labels" if value["check_images"] else ""
    return [FittingTable(columns), *left, Text(f"{said}{judged}. {value['reason']}")]


def _gain(row: Mapping[str, Any]) -> str:
    if row["gain"] is None or row["gain_ci"] is None or row["method"] == "source-only":
        return NONE
    low, high = row["gain_ci"]
    return f"{100 * row['gain']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def _percent(share: float | None) -> str:
    # Plus nothing, so that no share is -0.0.
    return NONE if share is None else f"{100 * share + 0.0:.1f} %"
