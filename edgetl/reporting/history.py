"""Stored results over time, for a terminal: a block a candidate, a line a result."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from edgetl.artifacts import Interval
from edgetl.history import History, Machine, Point, Series
from edgetl.reporting.findings import NONE, POINTS, figure
from edgetl.reporting.fitting import Column, FittingTable
from edgetl.reporting.lines import following, line
from edgetl.reporting.machine import machine

# The newest of a series; what is older shows in its sparkline.
SHOWN = 12
SPARKS = "▁▂▃▄▅▆▇█"
_COLOURS = {"pass": "green", "fail": "bold red", "inconclusive": "yellow", NONE: "dim"}


def history(value: History) -> RenderableType:
    """Return each series with its trend, then the machines and what must be known to read it right."""
    machines_differ = len(value.machines) > 1
    runs_differ = len({series.run for series in value.series}) > 1
    blocks = [part for series in value.series for part in _series(series, runs_differ, machines_differ)]
    machines = [Text(f"machine {each.id}: {_machine(each)}", style="dim") for each in value.machines]
    notes = [Text(f"note: {remark}") for remark in value.remarks]
    return Group(*blocks, *machines, *notes, following("edgetl check adds a result"))


def sparkline(values: Sequence[float | None]) -> str:
    """Return a block a value, the higher the larger; a space for None. Values that are all the same are flat."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    steps = len(SPARKS) - 1
    return "".join(
        " " if value is None else SPARKS[round(steps * (value - low) / (high - low)) if high > low else 0]
        for value in values
    )


def _series(series: Series, with_run: bool, with_machine: bool) -> list[RenderableType]:
    points = series.points
    trend = sparkline([point.latency_ratio for point in points])
    run = [line(series.run)] if with_run else []
    machine_id = [f"machine {series.machine}"] if with_machine else []
    where = ", ".join((*run, line(series.target), *machine_id))
    title = Text.assemble((line(series.candidate), "bold"), f" against {line(series.baseline)}, {where}  {trend}")
    shown = points[-SHOWN:]
    older = len(points) - len(shown)
    more = [Text(f"and {older} older: --json has all", style="dim")] if older else []
    return [title, _table(shown), *more, Text("")]


def _table(points: Sequence[Point]) -> FittingTable:
    verdicts = [point.verdict or NONE for point in points]
    level = _level(points)
    return FittingTable(
        (
            Column("when (UTC)", [Text(point.created[:16].replace("T", " ")) for point in points], left=True),
            Column("latency, x", [Text(_ratio(point.latency_ratio)) for point in points]),
            Column(level, [Text(_interval(point.latency_ci, _ratio)) for point in points], 1),
            Column("top-1 drop, points", [Text(_points(point.top1_drop)) for point in points]),
            Column(level, [Text(_interval(point.drop_ci, _points)) for point in points], 2),
            Column("verdict", [Text(verdict, style=_COLOURS[verdict]) for verdict in verdicts], left=True),
            Column("result", [Text(line(point.path)) for point in points], 3, left=True),
        )
    )


def _level(points: Sequence[Point]) -> str:
    """Return what the intervals hold at: "95 %", and "90 % or 95 %" where the target's confidence was changed."""
    return " or ".join(f"{100 * confidence:.4g} %" for confidence in sorted({point.confidence for point in points}))


def _machine(value: Machine) -> str:
    said = machine(value.model_dump())
    rest = (", ".join(map(line, value.gpus)), line(" ".join(value.cpu_features)))
    return "; ".join((said, *(part for part in rest if part)))


def _ratio(value: float | None) -> str:
    return NONE if value is None else figure(value, "x")


def _points(share: float | None) -> str:
    return NONE if share is None else figure(100 * share, POINTS)


def _interval(ends: Interval | None, show: Callable[[float | None], str]) -> str:
    if ends is None:
        return NONE
    return "exact" if ends[0] == ends[1] else f"[{show(ends[0])}, {show(ends[1])}]"
