"""A verdict as plain text for logs: no colour, no box drawing, no line that is another's words alone."""

from __future__ import annotations

from collections.abc import Sequence

from edgetl.artifacts import CheckResult
from edgetl.reporting import findings
from edgetl.reporting.lines import line
from edgetl.reporting.machine import machine
from edgetl.targets import short_name

FLIPS = 10


def check(result: CheckResult) -> str:
    """Return the verdict in the first line, then what it rests on."""
    rows = [
        ("", "baseline", "candidate", "measured", f"{result.confidence:.0%} interval", "allowed", "verdict"),
        *(
            (
                name,
                findings.side(finding, finding.baseline),
                findings.side(finding, finding.candidate),
                findings.measured(finding),
                findings.interval(finding.ci, finding.unit),
                findings.allowed(finding),
                finding.outcome,
            )
            for name, finding in zip(findings.names(result.findings), result.findings, strict=True)
        ),
    ]
    parts = [
        f"edgetl check: {result.verdict.upper()}, {findings.headline(result)}",
        f"candidate {line(result.candidate)} against baseline {line(result.baseline)} "
        f"for target {line(short_name(result.target))}",
        "",
        *_columns(rows),
        "",
        *(f"{finding.outcome}: {line(finding.reason)}" for finding in result.findings),
        findings.evidence(result),
        *_flips(result),
        f"Measured on {machine(result.machine)}. {findings.timing(result)}",
        *(f"note: {line(remark)}" for remark in findings.remarks(result)),
    ]
    return "\n".join(part.rstrip() for part in parts) + "\n"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    return [
        "  ".join(
            cell.ljust(width) if index in (0, last) else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _flips(result: CheckResult) -> list[str]:
    flips = result.accuracy.flips
    lines = [
        f"changed: {line(flip.path)} is {line(flip.label)}, baseline says {line(flip.baseline)}, "
        f"candidate {line(flip.candidate)}"
        for flip in flips[:FLIPS]
    ]
    return [*lines, f"changed: {len(flips) - FLIPS} more images"] if len(flips) > FLIPS else lines
