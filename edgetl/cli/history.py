"""`edgetl history`."""

from __future__ import annotations

from pathlib import Path

import click

from edgetl.cli import options, output
from edgetl.defaults import RUNS


@click.command(
    epilog="""\b
Examples:
  edgetl history                         the verdicts and benchmarks of all runs in runs/
  edgetl history results/ --json         of what CI has stored, as an object to draw from
\b
Read are check.json and bench.json at any depth. Each candidate of a run has a series on each machine: latencies of
different machines, or against different baselines, do not compare.
"""
)
@click.argument("folder", type=options.FOLDER, default=RUNS)
@options.json
def history(folder: Path, as_json: bool) -> None:
    """Show how latency, accuracy and verdicts in stored results went over time."""
    from edgetl.history import history as stage
    from edgetl.reporting import history as report

    value = stage(folder)
    if as_json:
        for remark in value.remarks:
            click.echo(remark, err=True)
    output.show(value.model_dump(mode="json"), as_json, lambda: report.history(value))
