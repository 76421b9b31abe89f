"""A ranking of backbones as a table for a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.text import Text

from edgetl.ranking.values import RankResult, RankRow
from edgetl.reporting.fitting import Column, FittingTable
from edgetl.reporting.lines import following
from edgetl.targets import short_name

FRONT, RECOMMENDED = "front", "recommended"
_COLOURS = {FRONT: "green", RECOMMENDED: "bold green", "": ""}


def rank(result: RankResult, data: str | None = None) -> RenderableType:
    """Return the measured backbones, fastest first, why the others are not among them, and the next command.

    ``data`` is what the user named, None for the demo images.
    """
    rows = [row for row in result.rows if row.status == "measured"]
    how = f"{result.precision} on {result.provider}, one image, for {short_name(result.target)}"
    if not result.is_target:
        how = f"{how} but measured on {result.machine['cpu']}"
    lines = [
        Text.assemble(("rank ", "bold"), f"accuracy: probe cross-validated on {rows[0].images} images"),
        Text(f"  latency: {how}"),
        Text("  front: no other is as accurate and faster; overlapping intervals are ties"),
        Text("  recommended: the fastest whose accuracy is not provably below the best"),
    ]
    lines.append(Text(f"  {result.seconds:.1f} s", style="dim"))
    return Group(_table(rows, result.recommended), *lines, *_left_out(result), following(_next(result, data)))


def _table(rows: list[RankRow], recommended: str) -> FittingTable:
    verdicts = [RECOMMENDED if row.arch == recommended else FRONT if row.pareto else "" for row in rows]

    def column(heading: str, rank: int, cell: Callable[[RankRow], str]) -> Column:
        return Column(heading, [Text(cell(row)) for row in rows], rank)

    return FittingTable(
        (
            Column("backbone", [Text(row.arch) for row in rows], left=True),
            column("accuracy", 0, lambda row: f"{100 * (row.accuracy or 0):.1f}"),
            column("95 %", 1, lambda row: _interval(row.accuracy_ci, 100, ".1f")),
            column("p50 ms", 0, lambda row: f"{row.latency_p50_ms or 0:.2f}"),
            column("95 % ms", 1, lambda row: _interval(row.latency_ci_ms, 1, ".2f")),
            column("M params", 2, lambda row: f"{row.params / 1e6:.1f}"),
            column("M MACs", 3, lambda row: f"{row.macs / 1e6:,.0f}"),
            column("weights", 4, lambda row: row.weights),
            Column("", [Text(verdict, style=_COLOURS[verdict]) for verdict in verdicts], left=True),
        )
    )


def _left_out(result: RankResult) -> list[Text]:
    """Return one line on those that are unavailable and one on those that were not tried, with the first one's why."""
    lines = []
    for status in ("unavailable", "not tried"):
        rows = [row for row in result.rows if row.status == status]
        if rows:
            lines.append(Text(f"  {status}: {', '.join(row.arch for row in rows)}. {rows[0].reason}"))
    return lines


def _next(result: RankResult, data: str | None) -> str:
    chosen = next(row for row in result.rows if row.arch == result.recommended)
    named = f" --data {shlex.quote(data)}" if data else ""
    return f"edgetl finetune{named} --arch {chosen.arch} --weights {shlex.quote(chosen.weights)}"


def _interval(interval: tuple[float, float] | None, factor: float, spec: str) -> str:
    return "–" if interval is None else "-".join(format(factor * end, spec) for end in interval)
