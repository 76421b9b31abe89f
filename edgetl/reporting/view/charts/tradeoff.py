"""Candidates by latency and top-1: shape and colour say the status, a line joins the front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgetl.artifacts import Interval
from edgetl.reporting.lines import line
from edgetl.reporting.view.blocks import Spec
from edgetl.reporting.view.charts.labels import GAP, Label, placed
from edgetl.reporting.view.charts.theme import INK, MUTED, SERIES, WIDE, axis, framed, padded, shares

SHAPES = {"baseline": "square", "chosen": "diamond", "accepted": "circle", "rejected": "cross"}
COLOURS = {"baseline": INK, "chosen": "var(--pass)", "accepted": "var(--series-1)", "rejected": MUTED}
SIZES = {"chosen": 300, "baseline": 130}
# Beyond this, names on a phone are cut.
LONGEST, LONGEST_NARROW = 36, 20
# So many points can all be named.
FEW = 5
RUN_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
HEIGHT = 340
HALO = {"stroke": "var(--card)", "strokeWidth": 4, "strokeJoin": "round"}
# What the axes and the legend take of it: right and left, above and below.
MARGIN = (58, 74)


@dataclass(frozen=True)
class Point:
    """A candidate: latency in ms with its interval, top-1 in per cent; ``run`` tells several runs apart.

    ``chosen`` may be the baseline, where nothing else is proven.
    """

    name: str
    status: str
    latency_ms: float
    top1: float
    latency_ci_ms: Interval | None
    front: bool
    chosen: bool = False
    run: str = ""


def spec(points: Sequence[Point], width: int) -> Spec:
    """Return the chart; where points are of several runs, colour and shape tell the runs apart."""
    runs = list(dict.fromkeys(point.run for point in points))
    by_run = len(runs) > 1
    field = "run" if by_run else "status"
    known = runs if by_run else [each for each in SHAPES if any(point.status == each for point in points)]
    shapes = _run_shapes(runs) if by_run else SHAPES
    colours = {run: SERIES[index % len(SERIES)] for index, run in enumerate(runs)} if by_run else COLOURS
    xs = padded(min(map(_low, points)), max(map(_high, points)))
    ys, in_per_cent = shares(min(each.top1 for each in points), max(each.top1 for each in points))
    x: dict[str, Any] = {"field": "x", "type": "quantitative", "scale": {"domain": xs, "nice": False, "zero": False}}
    y: dict[str, Any] = {"field": "y", "type": "quantitative", "scale": {"domain": ys, "nice": False, "zero": False}}
    x["axis"], y["axis"] = axis("median latency, ms (left is faster)"), axis("top-1, %", **in_per_cent)
    legend = {"symbolSize": 110, "columnPadding": 26, "labelLimit": width - 40}
    if width < WIDE:
        legend["columns"] = 1 if by_run else 2
    told = {"field": field, "type": "nominal", "legend": legend}
    values = _values(points, width, xs, ys, by_run=by_run)
    return framed(
        width,
        HEIGHT,
        data={"values": values},
        layer=[
            {
                "transform": [{"filter": "datum.front"}],
                "mark": {"type": "line", "color": MUTED, "strokeDash": [5, 4], "strokeWidth": 1.5},
                "encoding": {"x": x, "y": y, "detail": {"field": "run"}},
            },
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "rule", "color": MUTED, "strokeWidth": 1.5},
                "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}, "y": y},
            },
            {
                "mark": {"type": "point", "filled": True, "opacity": 1, "stroke": "var(--card)", "strokeWidth": 1},
                "encoding": {
                    "x": x,
                    "y": y,
                    "color": told | {"scale": {"domain": known, "range": [colours[each] for each in known]}},
                    "shape": told | {"scale": {"domain": known, "range": [shapes[each] for each in known]}},
                    "size": {"field": "size", "type": "quantitative", "scale": None, "legend": None},
                },
            },
            # A seam in the page's colour first, so that lines do not run through the letters.
            *(_labels(side, x, y, seam) for seam in (HALO, {}) for side in ("left", "right")),
        ],
    )


def _labels(side: str, x: dict[str, Any], y: dict[str, Any], seam: dict[str, Any]) -> Spec:
    return {
        "transform": [{"filter": f"datum.side == '{side}'"}],
        "mark": {"type": "text", "align": side, "baseline": "middle", "dx": GAP if side == "left" else -GAP} | seam,
        "encoding": {"x": x, "y": y | {"field": "label_y"}, "text": {"field": "label"}},
    }


def _values(
    points: Sequence[Point], width: int, xs: Sequence[float], ys: Sequence[float], *, by_run: bool
) -> list[dict[str, Any]]:
    across, down = width - MARGIN[0], HEIGHT - MARGIN[1]

    def pixels(point: Point) -> tuple[float, float]:
        return (
            across * (point.latency_ms - xs[0]) / (xs[1] - xs[0]),
            down * (ys[1] - point.top1) / (ys[1] - ys[0]),
        )

    longest = LONGEST if width == WIDE else LONGEST_NARROW
    # The chosen one first: its label gets the best place.
    few = len(points) <= FEW
    named = sorted((each for each in points if _is_named(each, by_run, few)), key=lambda point: not point.chosen)
    texts = [(_short(point.name, longest), *pixels(point)) for point in named]
    labels = dict(zip(named, placed(texts, across, [pixels(point) for point in points]), strict=True))
    return [
        {
            "x": point.latency_ms,
            "y": point.top1,
            "low": _low(point) if point.latency_ci_ms else None,
            "high": _high(point) if point.latency_ci_ms else None,
            "status": point.status,
            "run": line(point.run),
            "front": point.front,
            "size": SIZES["chosen"] / 2 if by_run and point.chosen else SIZES.get(point.status, 90),
            **(_told(labels[point], down, ys) if point in labels else {"side": ""}),
        }
        for point in points
    ]


def _told(label: Label, down: float, ys: Sequence[float]) -> dict[str, Any]:
    return {
        "label": label.text,
        "side": "right" if label.ends else "left",
        "label_y": ys[1] - label.y / down * (ys[1] - ys[0]),
    }


def _is_named(point: Point, by_run: bool, few: bool) -> bool:
    """Return whether there is room for the name: of several runs only the chosen ones are named."""
    return point.chosen if by_run else few or point.front or point.status in ("chosen", "baseline")


def _short(name: str, longest: int) -> str:
    text = line(name)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _low(point: Point) -> float:
    return min(point.latency_ms, point.latency_ci_ms[0]) if point.latency_ci_ms else point.latency_ms


def _high(point: Point) -> float:
    return max(point.latency_ms, point.latency_ci_ms[1]) if point.latency_ci_ms else point.latency_ms


def _run_shapes(runs: Sequence[str]) -> dict[str, str]:
    return {run: RUN_SHAPES[index % len(RUN_SHAPES)] for index, run in enumerate(runs)}
