"""`edgetl check`."""

from __future__ import annotations

from pathlib import Path

import click

from edgetl.cli import options, output
from edgetl.errors import EXIT_FAIL, EXIT_INCONCLUSIVE, EXIT_PASS

EXIT = {"pass": EXIT_PASS, "fail": EXIT_FAIL, "inconclusive": EXIT_INCONCLUSIVE}


@click.command(
    epilog="""\b
Examples:
  edgetl check                                  the chosen candidate against fp32
  edgetl check --baseline released.onnx         against another model file
Exit codes: 0 pass, 1 fail, 2 bad input, 3 could not measure, 4 inconclusive
"""
)
@options.run
@options.run_target
@click.option("--candidate", help="A candidate's name or an ONNX file. [default: the chosen one]")
@click.option("--baseline", type=options.FOLDER, help="An ONNX file. [default: the run's fp32 model]")
@options.time_budget
@options.json
def check(
    run: Path | None,
    target: str | None,
    candidate: str | None,
    baseline: Path | None,
    time_budget: str | None,
    as_json: bool,
) -> None:
    """Judge a candidate against the baseline, here and now: pass, fail or inconclusive."""
    from edgetl import run as runs
    from edgetl.check import CheckSettings
    from edgetl.check import check as stage
    from edgetl.quantities import seconds
    from edgetl.report import terminal
    from edgetl.report.json import as_object

    folder = runs.resolve(run)
    settings = CheckSettings(
        run=folder,
        target=target,
        candidate=candidate,
        baseline=baseline,
        time_budget_s=seconds(time_budget, default=30.0),
    )
    with output.progress() as progress:
        result = stage(settings, progress)
    runs.remember(folder)
    output.show(as_object(result), as_json, lambda: terminal.check(result))
    raise SystemExit(EXIT[result.verdict])
