"""Bundles, their verification and their way to devices, for a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from edgetl.delivery import WELL, BundleResult, ShipResult, VerifyResult
from edgetl.device.bundle.signal import off
from edgetl.reporting.fitting import Column, FittingTable
from edgetl.reporting.lines import following, line

_COLOURS = {
    "shipped": "bold green",
    "unchanged": "green",
    "rolled back": "green",
    "failed": "bold red",
    "unreachable": "bold yellow",
    "skipped": "dim",
}


def bundle(result: BundleResult) -> RenderableType:
    """Return where the file is, its size and its hash."""
    signed, named = "signed" if result.signed else "not signed", shlex.quote(result.bundle)
    return Group(
        Text(f"bundle    {result.bundle}, {result.size_bytes / 1e6:.2f} MB, {signed}"),
        Text(f"          SHA-256 {result.sha256}"),
        following(f"edgetl verify {named}; edgetl ship {named} ssh://user@host/path"),
    )


def verify(result: VerifyResult) -> RenderableType:
    """Return the verdict, why it is not ok, and what it rests on."""
    verdict = Text("OK" if result.ok else "NOT OK", style="bold green" if result.ok else "bold red")
    return Group(
        verdict.append(f": {line(result.version or result.bundle)}", style="default"),
        *(Text(f"  {line(reason)}") for reason in result.reasons),
        *(Text(f"  {each}") for each in _facts(result)),
        following(f"edgetl ship {shlex.quote(result.bundle)} ssh://user@host/path" if result.ok else "edgetl bundle"),
    )


def ship(result: ShipResult) -> RenderableType:
    """Return a row a device, and how many have what."""
    rows = result.devices
    table = FittingTable(
        [
            Column("device", [Text(line(row.host)) for row in rows], left=True),
            Column("status", [Text(row.status, style=_COLOURS[row.status]) for row in rows], left=True),
            Column("serves", [Text(line(row.version or "–")) for row in rows], 2, left=True),
            Column("s", [Text(f"{row.seconds:.1f}") for row in rows], 1),
        ]
    )
    well = sum(row.status in WELL for row in rows)
    reasons = [Text(f"{line(row.host)}: {line(row.reason)}.") for row in rows if row.reason]
    said = Text(f"{well} of {len(rows)} device{'s' if len(rows) > 1 else ''} as wanted")
    further = "edgetl ship --rollback goes back" if well == len(rows) else "the same command goes on with the others"
    return Group(table, *reasons, said, following(further))


def _facts(result: VerifyResult) -> Iterator[str]:
    if result.agreement is None or result.sqnr_db is None:
        return
    accuracy = "not labelled" if result.accuracy is None else f"top-1 {result.accuracy:.1%}"
    where = f", {result.emulated} emulated" if result.emulated else ""
    yield f"{result.images} golden images on {result.provider} in {result.precision}{where}"
    yield f"{accuracy}, {result.agreement:.1%} as fp32, logits off by {off(result.sqnr_db)} of their spread"
    if result.latency is not None:
        p90 = "" if result.latency.p90_ms is None else f", p90 {result.latency.p90_ms:.2f} ms"
        yield f"inference p50 {result.latency.p50_ms:.2f} ms{p90}; image to class {result.latency.end_to_end_ms:.2f} ms"
