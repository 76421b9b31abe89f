"""The settings of a candidate's session for a terminal: the fastest first."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from edgetl.artifacts import Setting, SweepResult
from edgetl.measure.state import disturbances
from edgetl.reporting.fitting import Column, FittingTable
from edgetl.reporting.lines import line
from edgetl.targets import short_name


def settings(result: SweepResult) -> RenderableType:
    """Return a row a setting, and whether any is faster than the target's for sure."""
    table = FittingTable(
        [
            Column("setting", [Text(row.name) for row in result.rows], left=True),
            Column("p50 ms", [Text(f"{row.latency_p50_ms:.2f}") for row in result.rows]),
            Column("of the target's", [Text(f"{row.ratio:.3f}x") for row in result.rows]),
            Column("95 % together", [Text(f"{row.ci[0]:.3f}-{row.ci[1]:.3f}") for row in result.rows], 1),
        ]
    )
    threads = f"{result.default_threads} thread{'s' if result.default_threads > 1 else ''}"
    said = f"sweep {result.candidate}; target {short_name(result.target)} has {threads}; {result.launches} launches"
    return Group(table, Text(line(said)), Text(_advice(result.rows)), *map(Text, disturbances(result.state)))


def _advice(rows: tuple[Setting, ...]) -> str:
    better = [row for row in rows if row.ci[1] < 1.0]
    if not better:
        return "No setting is faster than the target's beyond the noise."
    return f"Faster than the target's beyond the noise: {'; '.join(row.name for row in better)}."
