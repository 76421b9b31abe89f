"""Accuracy against latency, with all candidates."""

from __future__ import annotations

from collections.abc import Sequence

from edgetl import pareto
from edgetl.artifacts import Candidate, Row
from edgetl.gather.values import Gathered
from edgetl.reporting.view.blocks import NONE, Absent, Cell, Chart, Column, Section, Table, table
from edgetl.reporting.view.charts import both
from edgetl.reporting.view.charts import tradeoff as chart
from edgetl.reporting.view.figures import estimated, megabytes, percent, several

READING = (
    "Further up is more accurate, further left is faster. On the front is what no other candidate beats in one without "
    "losing in the other; the chosen one is the fastest that provably keeps its accuracy."
)
# Longer lists open on a click.
LONG = 8
# How far below the best a rejected candidate is still drawn: in points, and times the spread of the others.
FAR_POINTS, FAR_TIMES = 4.0, 2.0


def section(run: Gathered) -> Section | Absent:
    """Return the chart and the table of candidates, of the benchmark where there is one, else of the search."""
    everyone = candidates(run)
    if not everyone:
        return Absent("Accuracy against latency", "Run `edgetl quantize`: it makes and measures the candidates.")
    placed = located(run)
    why = _why(everyone)
    listed = _table(everyone, {each.name for each in placed if each.front})
    if not placed:
        return Section("tradeoff", "Accuracy against latency", READING, (listed, why))
    source = run.bench or run.quantize
    images = source.images if source else 0
    by = "edgetl bench" if run.bench else "edgetl quantize"
    near = near_enough(placed)
    far = len(placed) - len(near)
    drawn = Chart(
        f"Top-1 on {images} images against the median latency of one image, measured by {by}"
        + (f" ({several(far, 'rejected candidate')} further below not drawn)" if far else ""),
        _words(placed),
        *both(lambda width: chart.spec(near, width)),
    )
    return Section("tradeoff", "Accuracy against latency", READING, (drawn, listed, why))


def near_enough(placed: Sequence[chart.Point]) -> tuple[chart.Point, ...]:
    """Return the points without rejected ones that lie so far below that the others could not be told apart."""
    kept = [each.top1 for each in placed if each.status != "rejected"]
    if not kept:
        return tuple(placed)
    lowest = max(kept) - max(FAR_POINTS, FAR_TIMES * (max(kept) - min(kept)))
    return tuple(each for each in placed if each.status != "rejected" or each.top1 >= lowest)


def candidates(run: Gathered) -> Sequence[Candidate]:
    """Return the candidates as they were measured last."""
    if run.bench is not None:
        return run.bench.rows
    return run.quantize.candidates if run.quantize is not None else ()


def located(run: Gathered) -> tuple[chart.Point, ...]:
    """Return where the measured ones stand, those on the front marked."""
    chosen = run.quantize.chosen if run.quantize is not None else ""
    measured = [each for each in candidates(run) if each.accuracy is not None and each.latency_p50_ms is not None]
    best = pareto.front(measured, cost=lambda each: each.latency_p50_ms or 0.0, gain=lambda each: each.accuracy or 0.0)
    names = {each.name for each in best}
    return tuple(
        chart.Point(
            each.name,
            each.status,
            each.latency_p50_ms or 0.0,
            100 * (each.accuracy or 0.0),
            each.latency_p50_ci_ms if isinstance(each, Row) else None,
            each.name in names,
            each.name == chosen,
            run.name,
        )
        for each in measured
    )


def _words(placed: Sequence[chart.Point]) -> str:
    best = ", ".join(f"{each.name} ({each.latency_ms:.2f} ms, {each.top1:.1f} %)" for each in placed if each.front)
    chosen = next((f" Chosen is {each.name}." for each in placed if each.chosen), "")
    return f"{len(placed)} candidates by latency and top-1. On the front: {best}.{chosen} All figures: in the table."


def _table(everyone: Sequence[Candidate], front: set[str]) -> Table:
    rows = [each if isinstance(each, Row) else Row(**each.model_dump()) for each in everyone]
    columns: list[Column[Row]] = [
        Column("candidate", lambda row: row.name, numeric=False),
        Column("status", _status, numeric=False),
        Column("front", lambda row: "yes" if row.name in front else NONE, numeric=False),
        Column("p50, ms", lambda row: estimated(row.latency_p50_ms, row.latency_p50_ci_ms)),
        Column("p90, ms", lambda row: estimated(row.latency_p90_ms, row.latency_p90_ci_ms)),
        Column("faster, ×", lambda row: estimated(row.speedup, row.speedup_ci)),
        Column("top-1", lambda row: percent(row.accuracy)),
        Column("agreement", lambda row: percent(row.agreement)),
        Column("file", lambda row: megabytes(row.size_bytes)),
    ]
    below = " (below a figure: its 95 % interval)" if any(row.speedup_ci for row in rows) else ""
    return table(f"All candidates{below}", columns, rows)


def _why(everyone: Sequence[Candidate]) -> Table:
    columns: list[Column[Candidate]] = [
        Column("candidate", lambda each: each.name, numeric=False),
        Column("why", lambda each: each.reason, numeric=False),
    ]
    return table("Why each stands where it does", columns, everyone, folded=len(everyone) > LONG)


def _status(row: Row) -> Cell:
    tone = {"chosen": "chosen", "rejected": "inconclusive", "unavailable": "muted", "skipped": "muted"}
    return Cell(row.status, tone.get(row.status, ""))  # type: ignore[arg-type]
