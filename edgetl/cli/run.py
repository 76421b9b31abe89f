"""`edgetl run`."""

from __future__ import annotations

from typing import Any

import click

from edgetl import api
from edgetl.cli import options, output
from edgetl.cli.check import EXIT
from edgetl.cli.searching import search_options
from edgetl.cli.sections import SectionedCommand
from edgetl.cli.training import training_options


@click.command(
    cls=SectionedCommand,
    epilog="""\b
Examples:
  edgetl run                                     embedded demo images and backbone
  edgetl run --data photos/ --target raspberry-pi-5
  edgetl run --data photos/ --strategy auto --time-budget 10m
  edgetl run --data photos/ --json > result.json
Exit codes: those of `edgetl check`
""",
)
@training_options
@search_options
@options.target
@options.providers
@click.option("--force", is_flag=True, help="Repeat every stage, also those whose inputs have not changed.")
@options.json
def run(as_json: bool, **given: Any) -> None:
    """The whole job: finetune, export, quantize, bench and check, skipping what has not changed."""
    from edgetl.reporting import json, terminal

    with output.progress() as progress:
        result = api.run(progress=progress, **given)
    output.show(json.run(result), as_json, lambda: terminal.run(result))
    raise SystemExit(EXIT[result.check.verdict])
