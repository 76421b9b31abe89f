"""Several runs side by side: what each ends with, and all their candidates in one chart."""

from __future__ import annotations

from collections.abc import Sequence

from edgetl.gather.values import Gathered
from edgetl.reporting.findings import POINTS, figure
from edgetl.reporting.machine import machine
from edgetl.reporting.view.blocks import NONE, Block, Cell, Chart, Column, Notes, Section, Table, table
from edgetl.reporting.view.charts import both
from edgetl.reporting.view.charts import tradeoff as chart
from edgetl.reporting.view.figures import estimated, megabytes, number, percent
from edgetl.reporting.view.tradeoff import candidates, located, near_enough

READING = (
    "Only what was measured on the same machine and on the same images compares: where these differ, it is said below "
    "the table."
)


def section(runs: Sequence[Gathered]) -> Section:
    """Return the table of runs, what makes them hard to compare, and their candidates together."""
    blocks: list[Block] = [_table(runs)]
    if remarks := _remarks(runs):
        blocks.append(Notes(remarks))
    points = tuple(point for run in runs for point in near_enough(located(run)))
    if len({point.run for point in points}) > 1:
        chosen = [each for each in points if each.chosen]
        said = [f"{each.run}: {each.name}, {each.latency_ms:.2f} ms, {each.top1:.1f} %" for each in chosen]
        blocks.append(
            Chart(
                "The candidates of all runs; the chosen ones are larger and named",
                f"Top-1 against latency by run. Chosen: {'; '.join(said) or 'none'}.",
                *both(lambda width: chart.spec(points, width)),
            )
        )
    return Section("comparison", "Side by side", READING, tuple(blocks))


def _table(runs: Sequence[Gathered]) -> Table:
    columns: list[Column[Gathered]] = [
        Column("run", lambda run: run.name, numeric=False),
        Column("verdict", _verdict, numeric=False),
        Column("network", lambda run: run.finetune.arch if run.finetune else NONE, numeric=False),
        Column("candidate", _candidate, numeric=False),
        Column("latency, ms", lambda run: number(_p50(run))),
        Column("faster, ×", _faster),
        Column("top-1", lambda run: percent(run.check.accuracy.candidate) if run.check else NONE),
        Column("drop, points", lambda run: figure(100 * run.check.accuracy.drop, POINTS) if run.check else NONE),
        Column("validation top-1", lambda run: percent(run.finetune.val_accuracy) if run.finetune else NONE),
        Column("file", _size),
    ]
    return table("What each run ends with", columns, runs)


def _verdict(run: Gathered) -> Cell:
    return Cell(run.check.verdict, run.check.verdict) if run.check else Cell("none yet", "muted")


def _candidate(run: Gathered) -> str:
    if run.check is not None:
        return run.check.candidate
    return run.quantize.chosen if run.quantize is not None else NONE


def _p50(run: Gathered) -> float | None:
    return next((each.p50.value for each in run.timed if each.role == "candidate"), None)


def _faster(run: Gathered) -> Cell:
    if run.check is None:
        return Cell(NONE)
    low, high = run.check.latency.ci
    return estimated(1 / run.check.latency.ratio, (1 / high, 1 / low))


def _size(run: Gathered) -> str:
    sizes = {each.name: each.size_bytes for each in candidates(run)}
    return megabytes(sizes.get(_candidate(run), 0))


def _remarks(runs: Sequence[Gathered]) -> tuple[str, ...]:
    machines = {machine(run.check.machine) for run in runs if run.check}
    images = {run.dataset.sha256 for run in runs if run.dataset}
    said = []
    if len(machines) > 1:
        said.append(f"Latencies do not compare: they are of {len(machines)} machines ({'; '.join(sorted(machines))}).")
    if len(images) > 1:
        said.append("Accuracies do not compare: the runs were judged on different images.")
    return tuple(said)
