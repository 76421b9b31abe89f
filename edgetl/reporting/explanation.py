"""An explanation of an int8 candidate for a terminal: the whole in a few lines, then a row a node."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.text import Text

from edgetl.artifacts import Interval
from edgetl.quantization.explain.values import Explanation, NodeExplanation
from edgetl.reporting.fitting import Column, FittingTable
from edgetl.reporting.terminal import percent

NONE, WORST = "–", "worst"
# Of those that share a reason.
NAMED = 4


def explanation(result: Explanation) -> RenderableType:
    """Return the nodes in the order of the graph, those with the lowest SQNR marked, then the whole."""
    macs = "" if result.int8_macs is None else f", {percent(result.int8_macs)} of the multiplications in int8"
    logits = "exact" if result.logits_sqnr_db is None else f"{result.logits_sqnr_db:.1f} dB"
    worst = {node.name: node for node in result.nodes if node.name in result.worst}
    lowest = ", ".join(f"{name} {_sqnr(worst[name])}" for name in result.worst)
    lines = [
        Text.assemble(("explain ", "bold"), f"{result.candidate} ({result.because})"),
        Text(f"  {result.int8_nodes} nodes in int8, {result.float_nodes} in float{macs}"),
        Text(
            f"  logits: SQNR {logits}, top-1 as in float on {percent(result.agreement)} of {result.images} "
            "calibration images"
        ),
        *_reasons(result),
        Text(f"  worst SQNR, in dB: {lowest}" if lowest else "  no node has an error"),
        Text("  SQNR: of the error accumulated up to a node; 20 dB is a tenth of the signal", style="dim"),
        Text(f"  run {result.run}; next: edgetl bench", style="dim"),
    ]
    return Group(_table(result), *lines)


def _reasons(result: Explanation) -> list[Text]:
    """Return a line a reason for float: the table has no room for it where names are long."""
    named: dict[str, list[str]] = {}
    for node in result.nodes:
        if node.why is not None:
            named.setdefault(node.why, []).append(node.name)
    return [Text(f"  float, {why}: {_few(names)}") for why, names in named.items()]


def _few(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _table(result: Explanation) -> FittingTable:
    def column(heading: str, rank: int, cell: Callable[[NodeExplanation], str], *, left: bool = False) -> Column:
        return Column(heading, [Text(cell(node)) for node in result.nodes], rank, left)

    marks = [Text(WORST if node.name in result.worst else "", style="yellow") for node in result.nodes]
    return FittingTable(
        (
            column("node", 0, lambda node: node.name, left=True),
            column("op", 3, lambda node: node.op_type, left=True),
            column("runs in", 0, lambda node: node.runs_in, left=True),
            column("SQNR dB", 0, _sqnr),
            Column("", marks, 1),
            column("activations", 4, lambda node: _interval(node.seen)),
            column("quantized to", 6, lambda node: _interval(node.quantized)),
            column("weights (spread)", 5, _weights),
            column("why float", 2, lambda node: node.why or "", left=True),
        )
    )


def _sqnr(node: NodeExplanation) -> str:
    if node.sqnr_db is None:
        return "exact" if node.exact else NONE
    return f"{node.sqnr_db:.1f}"


def _weights(node: NodeExplanation) -> str:
    if node.weights is None:
        return NONE
    return f"{node.weights.low:.2g}…{node.weights.high:.2g} ({node.weights.spread:.1f})"


def _interval(ends: Interval | None) -> str:
    return NONE if ends is None else f"{ends[0]:.3g}…{ends[1]:.3g}"
