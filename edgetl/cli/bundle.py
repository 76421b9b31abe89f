"""`edgetl bundle`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgetl import api
from edgetl.cli import complete, options, output
from edgetl.defaults import GOLDEN


@click.command(
    epilog="""\b
Examples:
  edgetl bundle                                 the last run's chosen candidate
  edgetl bundle --out surface.pyz --key private.pem
  python surface.pyz verify                     on the device, with numpy, Pillow and the engine
Exit codes: 0 written, 2 bad input or a verdict that is fail, 3 when the model cannot run here
"""
)
@options.run
@click.option("--candidate", shell_complete=complete.candidate, help="Which one to bundle. [default: the chosen one]")
@click.option("--out", type=options.FOLDER, help="The file to write. [default: NAME-TARGET.pyz in the run's folder]")
@click.option("--key", type=options.FOLDER, help="Sign with this private key (PEM, EC P-256).")
@click.option(
    "--golden",
    type=options.Whole(1, 2000),
    metavar="N",
    default=GOLDEN,
    show_default=True,
    help="How many images travel along, to be checked by on the device.",
)
@click.option("--on", help="Where the model runs to answer them: ssh://user@host, or a worker's command line.")
@click.option("--force", is_flag=True, help="Bundle also what the verdict failed.")
@options.json
def bundle(run: Path | None, as_json: bool, **given: Any) -> None:
    """Put the chosen model and all that it needs on a device into one file that proves itself."""
    from edgetl.reporting import shipping

    with output.progress() as progress:
        result = api.bundle(run, progress=progress, **given)
    output.show(result.model_dump(mode="json"), as_json, lambda: shipping.bundle(result))
