"""`edgetl doctor`."""

from __future__ import annotations

import click

from edgetl.cli import options, output
from edgetl.errors import EXIT_PASS, EXIT_UNMEASURED


@click.command(
    epilog="""\b
Examples:
  edgetl doctor
  edgetl doctor --json
Exit codes: 0 when a model can be run and measured here, 3 when not
"""
)
@options.json
def doctor(as_json: bool) -> None:
    """Say what this machine can run, and each problem with its remedy."""
    from edgetl.measure.doctor import examine
    from edgetl.reporting import catalogue

    findings = examine()
    output.show(findings.model_dump(mode="json"), as_json, lambda: catalogue.doctor(findings))
    raise SystemExit(EXIT_UNMEASURED if any(problem.fatal for problem in findings.problems) else EXIT_PASS)
