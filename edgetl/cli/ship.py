"""`edgetl ship`."""

from __future__ import annotations

from typing import Any

import click

from edgetl import api
from edgetl.cli import options, output
from edgetl.defaults import KEEP, SHIP_S
from edgetl.errors import EXIT_FAIL, EXIT_PASS, EXIT_UNMEASURED


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
    "--fleet", type=options.FOLDER, help="A TOML file of devices, in place of addresses: see `edgetl docs shipping`."
)
@click.option("--rollback", is_flag=True, help="Go back to the version before; no bundle is named then.")
@click.option("--keep", type=options.Whole(1, 1000), metavar="N", help=f"Versions to keep there. [default: {KEEP}]")
@click.option("--python", help="The interpreter there. [default: python3]")
@click.option("--seconds", type=options.Whole(1, 3600), default=SHIP_S, show_default=True, help="Time there so long.")
@click.option("--again", is_flag=True, help="Verify also a version that is the current one there.")
@options.json
def ship(what: tuple[str, ...], rollback: bool, as_json: bool, **given: Any) -> None:
    """Bring a bundle to devices over ssh: each has the new version, verified there, or still the old one."""
    from edgetl.reporting import shipping

    bundle, devices = (None, what) if rollback else (next(iter(what), None), what[1:])
    if not rollback and bundle is None:
        raise click.UsageError("Name the bundle to ship, as `edgetl bundle` wrote it.")
    with output.progress() as progress:
        result = api.ship(bundle, devices, rollback=rollback, progress=progress, **given)
    output.show(result.model_dump(mode="json"), as_json, lambda: shipping.ship(result))
    statuses = {row.status for row in result.devices}
    raise SystemExit(EXIT_FAIL if "failed" in statuses else EXIT_UNMEASURED if "unreachable" in statuses else EXIT_PASS)
