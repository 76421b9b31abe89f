"""`edgetl bench`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from edgetl import api
from edgetl.cli import complete, options, output
from edgetl.errors import EXIT_PASS, EXIT_UNMEASURED


@click.command(
    epilog="""\b
Examples:
  edgetl bench                                        every candidate of the last run
  edgetl bench --provider cpu --provider openvino     each model file on both
  edgetl bench --provider cuda                        a row that says why when there is no GPU, never the CPU
  edgetl bench --throughput                           images a second too, by batch size and parallel streams
  edgetl bench --sweep                                the chosen candidate by threads, spinning and pinning
Exit codes: 0 measured, 2 bad input, 3 when a provider that was asked for cannot run here
"""
)
@options.run
@options.run_target
@options.providers
@options.time_budget
@click.option("--on", help=options.ON)
@click.option("--throughput", is_flag=True, help="Measure images a second as well, by batch size and streams.")
@click.option("--sweep", is_flag=True, help="Time one candidate by its session's settings instead.")
@click.option(
    "--candidate", shell_complete=complete.candidate, help="Which one --sweep times. [default: the chosen one]"
)
@options.json
def bench(run: Path | None, sweep: bool, candidate: str | None, as_json: bool, **given: Any) -> None:
    """Measure every candidate on every provider: latency, accuracy, memory, placement."""
    from edgetl.reporting import terminal
    from edgetl.reporting.json import as_object

    if candidate is not None and not sweep:
        raise click.UsageError("--candidate says what --sweep times. Add --sweep, or leave it out.")
    if sweep:
        _sweep(run, candidate, given, as_json)
        return
    with output.progress() as progress:
        result = api.bench(run, progress=progress, **given)
    output.show(as_object(result), as_json, lambda: terminal.bench(result))
    measured = {row.provider for row in result.rows if row.status != "unavailable"}
    raise SystemExit(EXIT_PASS if measured.issuperset(given["providers"]) else EXIT_UNMEASURED)


def _require_swept() -> None:
    """Raise UsageError for an option on the command line that a sweep would not heed; the settings file's may stand."""
    context = click.get_current_context()
    for name, option in (("throughput", "--throughput"), ("providers", "--provider")):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--sweep times one candidate on its own provider: leave {option} out.")


def _sweep(run: Path | None, candidate: str | None, given: Mapping[str, Any], as_json: bool) -> None:
    from edgetl.reporting.sweep import settings

    _require_swept()
    heeded = {name: given[name] for name in ("target", "time_budget", "on")}
    with output.progress() as progress:
        result = api.sweep(run, candidate=candidate, progress=progress, **heeded)
    output.show(result.model_dump(mode="json"), as_json, lambda: settings(result))
