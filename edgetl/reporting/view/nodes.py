"""Where quantization hurts: the int8 candidate node by node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgetl.gather.values import Gathered
from edgetl.reporting.view.blocks import NONE, Absent, Cell, Chart, Column, Notes, Section, table
from edgetl.reporting.view.charts import both
from edgetl.reporting.view.charts import nodes as chart
from edgetl.reporting.view.figures import number, percent

if TYPE_CHECKING:
    # Its package needs an engine; a report does not.
    from edgetl.quantization.explain.values import Explanation, NodeExplanation

TITLE = "What int8 costs, node by node"
READING = (
    "SQNR compares the signal with the error that integers have added up to a node: 20 dB is an error of a tenth of "
    "the signal, 40 dB of a hundredth. The lowest nodes are the first to look at."
)


def section(run: Gathered) -> Section | Absent:
    """Return the chart of the error and the tables of nodes."""
    shown = run.explanation
    if shown is None:
        return Absent(TITLE, run.unexplained)
    by_name = {node.name: node for node in shown.nodes}
    worst = [by_name[name] for name in shown.worst]
    columns: list[Column[NodeExplanation]] = [
        Column("node", lambda node: Cell(node.name, code=True), numeric=False),
        Column("operator", lambda node: node.op_type, numeric=False),
        Column("runs in", lambda node: node.runs_in, numeric=False),
        Column("SQNR, dB", lambda node: "exact" if node.exact else number(node.sqnr_db, ".1f")),
        Column("why in float", lambda node: node.why or NONE, numeric=False),
    ]
    drawn = Chart(
        f"{shown.candidate} on {shown.images} calibration images, accumulated error by node (dashed: 20 dB)",
        _words(shown),
        *both(lambda width: chart.spec(shown.nodes, width)),
        table(f"All {len(shown.nodes)} nodes", columns, shown.nodes, folded=True),
    )
    return Section("nodes", TITLE, READING, (Notes((_whole(shown),)), drawn, table("Worst nodes", columns, worst)))


def _whole(shown: Explanation) -> str:
    macs = "" if shown.int8_macs is None else f" ({percent(shown.int8_macs)} of the multiplications)"
    logits = "exact" if shown.logits_sqnr_db is None else f"{shown.logits_sqnr_db:.1f} dB"
    return (
        f"{shown.candidate}, {shown.because}: {shown.int8_nodes} nodes run in int8{macs}, {shown.float_nodes} in "
        f"float. Logits: {logits}; top-1 as in float on {percent(shown.agreement)} of {shown.images} images."
    )


def _words(shown: Explanation) -> str:
    levels = {node.name: node.sqnr_db for node in shown.nodes}
    lowest = ", ".join(f"{name} ({number(levels[name], '.1f')} dB)" for name in shown.worst)
    return f"SQNR of {len(shown.nodes)} nodes. The lowest: {lowest or 'none, all are exact'}."
