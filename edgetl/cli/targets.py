"""`edgetl targets`."""

from __future__ import annotations

import click

from edgetl.cli import complete, options, output


@click.command(
    epilog="""\b
Examples:
  edgetl targets                     all of them, and what this machine is taken for
  edgetl targets raspberry-pi-5      one in full
"""
)
@click.argument("name", required=False, shell_complete=complete.target)
@options.json
def targets(name: str | None, as_json: bool) -> None:
    """List the device classes that models are made for."""
    from edgetl import targets as known
    from edgetl.reporting import catalogue

    chosen = [known.load(name)] if name else [known.detect(), *map(known.load, known.names())]
    value = {"targets": [target.model_dump(mode="json") for target in chosen]}
    output.show(value, as_json, lambda: catalogue.target(chosen[0]) if name else catalogue.targets(chosen))
