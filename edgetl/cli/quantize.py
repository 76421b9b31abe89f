"""`edgetl quantize`."""

from __future__ import annotations

from pathlib import Path

import click

from edgetl.cli import options, output


@click.command(
    epilog="""\b
Examples:
  edgetl quantize                             for this machine
  edgetl quantize --target raspberry-pi-5
  edgetl quantize --max-drop 1%               allow one point of top-1
"""
)
@options.run
@options.target
@click.option("--max-drop", help="Largest allowed loss of top-1, such as 0.5%. [default: the target's budget]")
@options.time_budget
@options.json
def quantize(run: Path | None, target: str, max_drop: str | None, time_budget: str | None, as_json: bool) -> None:
    """Make the candidates for a target and choose the fastest that keeps its accuracy."""
    from edgetl import run as runs
    from edgetl.quantities import fraction, seconds
    from edgetl.quantize import QuantizeSettings
    from edgetl.quantize import quantize as stage
    from edgetl.report import terminal
    from edgetl.report.json import as_object

    folder = runs.resolve(run)
    settings = QuantizeSettings(
        run=folder, target=target, max_drop=fraction(max_drop), time_budget_s=seconds(time_budget, default=65.0)
    )
    with output.progress() as progress:
        result = stage(settings, progress)
    runs.remember(folder)
    output.show(as_object(result), as_json, lambda: terminal.quantize(result))
