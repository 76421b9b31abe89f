"""Losses and accuracy over the epochs of a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgetl.reporting.view.blocks import Spec
from edgetl.reporting.view.charts.theme import SERIES, axis, framed
from edgetl.training.descent.metrics import EpochMetrics

PANEL = 150
DASHES = {"training loss": [6, 4], "validation loss": [1, 0]}


def spec(epochs: Sequence[EpochMetrics], width: int) -> Spec:
    """Return the chart: losses above, accuracy below."""
    losses = [
        {"x": each.epoch, "y": value, "what": what}
        for each in epochs
        for what, value in (("training loss", each.train_loss), ("validation loss", each.val_loss))
        if value is not None
    ]
    right = [{"x": each.epoch, "y": 100 * each.val_accuracy} for each in epochs]
    last = epochs[-1].epoch
    ticks = list(range(0, last + 1, -(-(last + 1) // 8)))
    x: dict[str, Any] = {"field": "x", "type": "quantitative", "scale": {"domain": [0, max(last, 1)], "nice": False}}
    told = {
        channel: {
            "field": "what",
            "type": "nominal",
            "scale": {"domain": list(DASHES), "range": drawn},
            "legend": {"symbolType": "stroke", "symbolSize": 400},
        }
        for channel, drawn in (("color", list(SERIES[:2])), ("strokeDash", list(DASHES.values())))
    }
    shown = {"format": "d", "values": ticks, "grid": False}
    size = {"width": width - 60, "height": PANEL}
    point = {"filled": True, "size": 30}
    # Panels have sizes of their own.
    whole = framed(
        width,
        PANEL,
        vconcat=[
            size
            | {
                "data": {"values": losses},
                "mark": {"type": "line", "point": point},
                "encoding": {"x": x | {"axis": {"title": None, **shown}}, "y": _y("loss, nats"), **told},
            },
            size
            | {
                "data": {"values": right},
                "mark": {"type": "line", "point": point | {"color": SERIES[1]}, "color": SERIES[1]},
                "encoding": {"x": x | {"axis": {"title": "epoch", **shown}}, "y": _y("top-1, %")},
            },
        ],
        spacing=18,
    )
    return {key: value for key, value in whole.items() if key not in ("width", "height", "autosize")}


def _y(title: str) -> dict[str, Any]:
    return {"field": "y", "type": "quantitative", "scale": {"zero": False}, "axis": axis(title) | {"tickCount": 4}}
