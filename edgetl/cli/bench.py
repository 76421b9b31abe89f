"""`edgetl bench`."""

from __future__ import annotations

from pathlib import Path

import click

from edgetl.cli import options, output
from edgetl.errors import EXIT_PASS, EXIT_UNMEASURED


@click.command(
    epilog="""\b
Examples:
  edgetl bench                                        every candidate of the last run
  edgetl bench --provider cpu --provider openvino     each model file on both
  edgetl bench --provider cuda                        a row that says why when there is no GPU, never the CPU
Exit codes: 0 measured, 2 bad input, 3 when a provider that was asked for cannot run here
"""
)
@options.run
@options.run_target
@options.providers
@options.time_budget
@options.json
def bench(
    run: Path | None, target: str | None, providers: tuple[str, ...], time_budget: str | None, as_json: bool
) -> None:
    """Measure every candidate on every provider: latency, accuracy, memory, placement."""
    from edgetl import run as runs
    from edgetl.measure.bench import BenchSettings
    from edgetl.measure.bench import bench as stage
    from edgetl.quantities import seconds
    from edgetl.report import terminal
    from edgetl.report.json import as_object

    folder = runs.resolve(run)
    settings = BenchSettings(
        run=folder, target=target, providers=providers, time_budget_s=seconds(time_budget, default=45.0)
    )
    with output.progress() as progress:
        result = stage(settings, progress)
    runs.remember(folder)
    output.show(as_object(result), as_json, lambda: terminal.bench(result))
    measured = {row.provider for row in result.rows if row.status != "unavailable"}
    raise SystemExit(EXIT_PASS if measured.issuperset(providers) else EXIT_UNMEASURED)
