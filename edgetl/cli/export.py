"""`edgetl export`."""

from __future__ import annotations

from pathlib import Path

import click

from edgetl import api
from edgetl.cli import options, output


@click.command(
    epilog="""\b
Examples:
  edgetl export                           the last run
  edgetl export --run demo-mobilenet_v2   another one
  edgetl export --calibrated              with the temperature that finetune fitted
"""
)
@options.run
@click.option(
    "--calibrated",
    is_flag=True,
    help="Divide the logits by the temperature that finetune fitted, so that probabilities can be believed.",
)
@options.json
def export(run: Path | None, calibrated: bool, as_json: bool) -> None:
    """Write the trained classifier as ONNX, checked against torch."""
    from edgetl.reporting import terminal
    from edgetl.reporting.json import as_object

    with output.progress() as progress:
        result = api.export(run, calibrated=calibrated, progress=progress)
    output.show(as_object(result), as_json, lambda: terminal.export(result))
