"""Distributions of latency, one under the other on one scale: what most runs took, the median, and its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgetl.gather.values import Latencies
from edgetl.reporting.lines import line
from edgetl.reporting.view.blocks import Spec
from edgetl.reporting.view.charts.theme import INK, MUTED, SERIES, axis, framed

BINS = 110
# Runs beyond are counted, not drawn: a few that were disturbed would squeeze all others together.
SHOWN = 0.985
ROW_HEIGHT = 136
TITLE = {"anchor": "start", "color": INK, "fontSize": 13, "fontWeight": 600}
LABEL = {"type": "text", "baseline": "top", "fontWeight": 600}
COLOURS = {"baseline": SERIES[5], "candidate": SERIES[0]}
# How much of the height the highest bin takes, and at which share of it the interval of the median is drawn.
FILLED, BAR = 0.68, 0.76


def edges(timed: Sequence[Latencies]) -> np.ndarray:
    """Return the edges of the bins that all distributions share, in ms."""
    low = min(min(each.runs_ms) for each in timed)
    high = max(float(np.quantile(each.runs_ms, SHOWN)) for each in timed)
    room = 0.04 * (high - low) or 0.1 * high
    return np.linspace(max(0.0, low - room), high + room, BINS + 1)


def spec(timed: Sequence[Latencies], width: int) -> Spec:
    """Return the chart: a row a model, all on one scale."""
    bounds = edges(timed)
    rows = [
        _row(each, bounds, width, COLOURS[each.role], last=index == len(timed) - 1) for index, each in enumerate(timed)
    ]
    whole = framed(width, ROW_HEIGHT, vconcat=rows, spacing=10)
    # Rows have sizes of their own.
    return {key: value for key, value in whole.items() if key not in ("width", "height", "autosize")}


def _row(each: Latencies, bounds: np.ndarray, width: int, colour: str, *, last: bool) -> Spec:
    counts, _ = np.histogram(each.runs_ms, bounds)
    shares = 100 * counts / len(each.runs_ms)
    values = [{"x": float(left), "y": float(share)} for left, share in zip(bounds, (*shares, 0.0), strict=True)]
    scale = {"domain": [float(bounds[0]), float(bounds[-1])], "nice": False, "zero": False}
    shown = axis("ms", grid=False) if last else None
    x: dict[str, Any] = {"field": "x", "type": "quantitative", "scale": scale, "axis": shown}
    top = float(max(shares)) / FILLED or 1.0
    y: dict[str, Any] = {
        "field": "y", "type": "quantitative", "scale": {"domain": [0, top], "nice": False}, "axis": None
    }  # fmt: skip
    middle = {
        "x": each.p50.value,
        "low": max(each.p50.low, bounds[0]),
        "high": min(each.p50.high, bounds[-1]),
        "y": top,
    }
    late = middle["x"] > (bounds[0] + bounds[-1]) / 2
    said = {"x": middle["x"], "y": top, "label": f"median {each.p50.value:.2f} ms"}
    return {
        "width": width - 24,
        "height": ROW_HEIGHT - 40,
        "title": TITLE | {"limit": width - 70, "text": line(f"{each.role}: {each.name}")},
        "layer": [
            {
                "data": {"values": values},
                "mark": {
                    "type": "area",
                    "interpolate": "step-after",
                    "color": colour,
                    "fillOpacity": 0.4,
                    "line": {"color": colour, "strokeWidth": 1.5},
                },
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": [middle | {"y": BAR * top}]},
                "mark": {"type": "rule", "color": MUTED, "strokeWidth": 5, "opacity": 0.75},
                "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}, "y": y},
            },
            {
                "data": {"values": [middle]},
                "mark": {"type": "rule", "color": INK, "strokeWidth": 1.5},
                "encoding": {"x": x, "y": y, "y2": {"datum": 0}},
            },
            {
                "data": {"values": [said]},
                "mark": LABEL | {"align": "right" if late else "left", "dx": -6 if late else 6},
                "encoding": {"x": x, "y": y, "text": {"field": "label"}},
            },
        ],
    }  # fmt: skip
