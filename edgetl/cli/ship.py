"""`edgetl ship`."""

from __future__ import annotations

from pathlib import Path

import click

from edgetl.cli import options, output
from edgetl.errors import EXIT_FAIL, EXIT_PASS, EXIT_UNMEASURED, UsageError

SECONDS = 3
KEEP = 3


@click.command(
    epilog="""\b
Examples:
  edgetl ship surface.pyz ssh://pi@line-1/opt/models/surface
  edgetl ship surface.pyz --fleet fleet.toml          one canary, then 10 %, then all
  edgetl ship --rollback ssh://pi@line-1/opt/models/surface
Exit codes: 0 every device has it, 1 a device refused it, 2 bad input, 3 a device could not be reached
"""
)
@click.argument("what", nargs=-1, metavar="BUNDLE [ADDRESS]...")
@click.option(
    "--fleet", type=options.FOLDER, help="A TOML file of devices, in place of addresses: see docs/shipping.md."
)
@click.option("--rollback", is_flag=True, help="Go back to the version before; no bundle is named then.")
@click.option("--keep", type=click.IntRange(1, 1000), metavar="N", help=f"Versions to keep there. [default: {KEEP}]")
@click.option("--python", help="The interpreter there. [default: python3]")
@click.option("--seconds", type=click.IntRange(1, 3600), default=SECONDS, show_default=True, help="Time there so long.")
@click.option("--again", is_flag=True, help="Verify also a version that is the current one there.")
@options.json
def ship(
    what: tuple[str, ...],
    fleet: Path | None,
    rollback: bool,
    keep: int | None,
    python: str | None,
    seconds: int,
    again: bool,
    as_json: bool,
) -> None:
    """Bring a bundle to devices over ssh: each has the new version, verified there, or still the old one."""
    from dataclasses import replace

    from edgetl.measure.remote import PYTHON
    from edgetl.report import shipping
    from edgetl.ship import fleet as fleets
    from edgetl.ship.device import Order
    from edgetl.ship.parcel import parcel
    from edgetl.ship.stage import ship as stage

    bundles, addresses = ([], what) if rollback else (what[:1], what[1:])
    if not rollback and not bundles:
        raise click.UsageError("Name the bundle to ship, as `edgetl bundle` wrote it.")
    if bool(addresses) == bool(fleet):
        raise click.UsageError("Name devices either by addresses (ssh://user@host/path) or by --fleet FILE.")
    devices = fleets.read(fleet) if fleet else fleets.of_addresses(addresses, python or PYTHON, keep or KEEP)
    if keep is not None:
        devices = replace(devices, keep=keep)
    if fleet and python is not None:
        raise UsageError(f"Say which interpreter the devices have in {fleet}: python = '{python}'.")
    order = Order(parcel(Path(bundles[0])) if bundles else None, devices.keep, seconds, again)
    with output.progress() as progress:
        result = stage(devices, order, progress)
    output.show(result.model_dump(mode="json"), as_json, lambda: shipping.ship(result))
    statuses = {row.status for row in result.devices}
    raise SystemExit(EXIT_FAIL if "failed" in statuses else EXIT_UNMEASURED if "unreachable" in statuses else EXIT_PASS)
