"""Which engine really ran what: the proof that nothing fell back silently."""

from __future__ import annotations

from collections.abc import Mapping

from edgetl.artifacts import Row
from edgetl.gather.values import Gathered
from edgetl.reporting.machine import machine
from edgetl.reporting.view.blocks import NONE, Absent, Column, Notes, Section, table
from edgetl.reporting.view.figures import number

TITLE = "What really ran where"
READING = (
    "A provider is an engine with its hardware. Nodes are the model's operations; MACs its multiplications, nearly all "
    "of the work. The precision is the one that ran, read from the engine and not from what was asked for."
)


def section(run: Gathered) -> Section | Absent:
    """Return a row for each candidate that was benchmarked, with its placement and what else it costs."""
    bench = run.bench
    if bench is None:
        return Absent(TITLE, "Run `edgetl bench`: it measures each candidate and reads its placement.")
    placement: list[Column[Row]] = [
        Column("candidate", lambda row: row.name, numeric=False),
        Column("provider", lambda row: row.provider, numeric=False),
        Column("engine", lambda row: f"{row.engine} {row.engine_version}" if row.engine else NONE, numeric=False),
        Column("asked for", lambda row: row.precision, numeric=False),
        Column("ran in", lambda row: row.actual_precision or NONE, numeric=False),
        Column("nodes", lambda row: _nodes(row.placement), numeric=False),
        Column("share of MACs", lambda row: _shares(row.mac_share), numeric=False),
        Column("threads", lambda row: NONE if row.threads is None else str(row.threads)),
    ]
    costs: list[Column[Row]] = [
        Column("candidate", lambda row: row.name, numeric=False),
        Column("end to end, ms", lambda row: number(row.end_to_end_p50_ms)),
        Column("cold start, ms", lambda row: number(row.cold_start_ms, ".0f")),
        Column("memory, MB", lambda row: number(row.peak_rss_mb, ".0f")),
        Column("energy, mJ", lambda row: number(row.energy_mj, ".1f")),
        Column(
            "images/s", lambda row: number(max((each.images_per_s for each in row.throughput), default=None), ".0f")
        ),
    ]
    measured = [row for row in bench.rows if row.status != "unavailable"]
    missing = tuple(f"{row.name}: {row.reason}" for row in bench.rows if row.status == "unavailable")
    where = f"Measured on {machine(bench.machine)}, {bench.launches} launches."
    placed = table("Placement, as the engines report it", placement, measured)
    cost = table("What else a candidate costs (end to end: from the file's bytes to the class)", costs, measured)
    said = Notes((where, *missing))
    return Section("providers", TITLE, READING, (placed, cost, said) if len(cost.heads) > 1 else (placed, said))


def _nodes(placement: Mapping[str, int] | None) -> str:
    return ", ".join(f"{count} on {_name(name)}" for name, count in (placement or {}).items()) or NONE


def _shares(shares: Mapping[str, float] | None) -> str:
    return ", ".join(f"{share:.0%} {_name(name)}" for name, share in (shares or {}).items()) or NONE


def _name(provider: str) -> str:
    return provider.removesuffix("ExecutionProvider")
