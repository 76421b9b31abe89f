"""`edgetl bundle`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgetl.cli import options, output

GOLDEN = 64


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
@click.option("--candidate", help="Which one to bundle. [default: the chosen one]")
@click.option("--out", type=options.FOLDER, help="The file to write. [default: NAME-TARGET.pyz in the run's folder]")
@click.option("--key", type=options.FOLDER, help="Sign with this private key (PEM, EC P-256).")
@click.option(
    "--golden",
    type=click.IntRange(1, 2000),
    metavar="N",
    default=GOLDEN,
    show_default=True,
    help="How many images travel along, to be checked by on the device.",
)
@click.option("--on", help="Where the model runs to answer them: ssh://user@host, or a worker's command line.")
@click.option("--force", is_flag=True, help="Bundle also what the verdict failed.")
@options.json
def bundle(run: Path | None, on: str | None, as_json: bool, **given: Any) -> None:
    """Put the chosen model and all that it needs on a device into one file that proves itself."""
    from edgetl import run as runs
    from edgetl.bundle.stage import BundleSettings
    from edgetl.bundle.stage import bundle as stage
    from edgetl.environments.local import local_command
    from edgetl.measure.remote import worker_command
    from edgetl.report import shipping

    folder = runs.resolve(run)
    worker = local_command() if on is None else worker_command(on)
    with output.progress() as progress:
        result = stage(BundleSettings(run=folder, worker=worker, **given), progress)
    runs.remember(folder)
    output.show(result.model_dump(mode="json"), as_json, lambda: shipping.bundle(result))
