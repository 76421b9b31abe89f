"""How long a run takes: the distributions of baseline and candidate."""

from __future__ import annotations

from collections.abc import Sequence

from edgetl.gather.values import Gathered, Latencies
from edgetl.measure.statistics import Estimate
from edgetl.reporting.view.blocks import NONE, Absent, Cell, Chart, Column, Section, Table, table
from edgetl.reporting.view.charts import both
from edgetl.reporting.view.charts import latency as chart
from edgetl.reporting.view.figures import estimated, interval, number, several

TITLE = "Latency of one image"
READING = (
    "The higher, the more runs took that long. The line is the median; the bar across it is its 95 % interval: where "
    "another few starts of the process would put it. p90: nine of ten runs are no slower."
)


def section(run: Gathered) -> Section | Absent:
    """Return the distributions of the verdict's runs, else of the benchmark's."""
    if not run.timed:
        gone = run.check or run.bench
        return Absent(
            TITLE, f"{gone.timings} is gone." if gone else "Run `edgetl check`: it times both sides in turns."
        )
    beyond = _beyond(run.timed)
    drawn = Chart(
        f"All {sum(len(each.runs_ms) for each in run.timed)} runs that edgetl {run.timed_by} timed{beyond}",
        _words(run.timed),
        *both(lambda width: chart.spec(run.timed, width)),
    )
    return Section("latency", TITLE, READING, (drawn, _table(run.timed)))


def _beyond(timed: Sequence[Latencies]) -> str:
    edge = float(chart.edges(timed)[-1])
    count = sum(time > edge for each in timed for time in each.runs_ms)
    return f" ({several(count, 'slower run')} beyond {edge:.2f} ms not drawn)" if count else ""


def _words(timed: Sequence[Latencies]) -> str:
    said = (
        f"{each.name}: median {each.p50.value:.2f} ms ({interval((each.p50.low, each.p50.high))})" for each in timed
    )
    return f"Distributions of latency. {'; '.join(said)}. All figures: in the table."


def _table(timed: Sequence[Latencies]) -> Table:
    columns: list[Column[Latencies]] = [
        Column("model", lambda each: each.name, numeric=False),
        Column("as the", lambda each: each.role, numeric=False),
        Column("runs", lambda each: str(len(each.runs_ms))),
        Column("fastest, ms", lambda each: number(min(each.runs_ms))),
        Column("median, ms", lambda each: _figure(each.p50)),
        Column("p90, ms", lambda each: _figure(each.p90)),
        Column("p99, ms", lambda each: _figure(each.p99)),
    ]
    return table("Latency in figures (below each its 95 % interval)", columns, timed)


def _figure(estimate: Estimate | None) -> Cell:
    return Cell(NONE) if estimate is None else estimated(estimate.value, (estimate.low, estimate.high))
