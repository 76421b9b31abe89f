"""The error that integers add, node by node from the input to the output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgetl.reporting.view.blocks import Spec
from edgetl.reporting.view.charts.theme import INK, MUTED, SERIES, axis, framed

if TYPE_CHECKING:
    # Its package needs an engine; a report does not.
    from edgetl.quantization.explain.values import NodeExplanation

HEIGHT = 230
# A tenth of the signal.
TENTH_DB = 20
SHAPES = {"int8": "circle", "float": "triangle-up"}


def spec(nodes: Sequence[NodeExplanation], width: int) -> Spec:
    """Return the chart: nodes in the order of the graph, SQNR upwards."""
    values = [
        {"x": place, "y": node.sqnr_db, "runs in": node.runs_in}
        for place, node in enumerate(nodes, 1)
        if node.sqnr_db is not None
    ]
    x: dict[str, Any] = {"field": "x", "type": "quantitative", "scale": {"domain": [0, len(nodes) + 1], "nice": False}}
    y: dict[str, Any] = {"field": "y", "type": "quantitative"}
    x["axis"] = axis("node, from input to output", grid=False)
    y["axis"] = axis("SQNR, dB (more is better)")
    ranges = {"shape": list(SHAPES.values()), "color": [SERIES[0], SERIES[1]]}
    told = {
        channel: {"field": "runs in", "type": "nominal", "scale": {"domain": list(SHAPES), "range": drawn}}
        for channel, drawn in ranges.items()
    }
    tenth = {"data": {"values": [{"y": TENTH_DB}]}}
    return framed(
        width,
        HEIGHT,
        layer=[
            {
                "data": {"values": values},
                "mark": {"type": "line", "color": MUTED, "strokeWidth": 1, "opacity": 0.6},
                "encoding": {"x": x, "y": y},
            },
            tenth | {"mark": {"type": "rule", "color": INK, "strokeDash": [4, 4]}, "encoding": {"y": y}},
            {
                "data": {"values": values},
                "mark": {"type": "point", "filled": True, "opacity": 1, "size": 45},
                "encoding": {"x": x, "y": y, **told},
            },
        ],
    )
