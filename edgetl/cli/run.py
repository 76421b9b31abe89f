"""`edgetl run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from edgetl.cli import latest, options, output, training
from edgetl.cli.check import EXIT
from edgetl.cli.sections import SectionedCommand
from edgetl.cli.training import training_options

if TYPE_CHECKING:
    from edgetl.artifacts import Artifact

# The seconds that each measuring stage may take when nothing is said: three minutes for all, with room for training.
QUANTIZE_S, BENCH_S, CHECK_S = 65.0, 40.0, 25.0
# What part of a time budget is for training; the measuring stages share the rest as above.
TRAINING_SHARE = 0.4


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
@options.target
@options.providers
@click.option("--force", is_flag=True, help="Repeat every stage, also those whose inputs have not changed.")
@options.json
def run(target: str, providers: tuple[str, ...], force: bool, as_json: bool, **given: Any) -> None:
    """The whole job: finetune, export, quantize, bench and check, skipping what has not changed."""
    from dataclasses import replace

    from edgetl import pipeline
    from edgetl.gate.stage import CheckSettings
    from edgetl.measure.bench import BenchSettings
    from edgetl.quantize import QuantizeSettings
    from edgetl.report import json, terminal

    tuning = training.settings(**given)
    folder, scale = tuning.run, 1.0
    if tuning.time_budget_s is not None:
        scale = (1 - TRAINING_SHARE) * tuning.time_budget_s / (QUANTIZE_S + BENCH_S + CHECK_S)
        tuning = replace(tuning, time_budget_s=TRAINING_SHARE * tuning.time_budget_s)
    settings = pipeline.RunSettings(
        finetune=tuning,
        quantize=QuantizeSettings(run=folder, target=target, time_budget_s=scale * QUANTIZE_S),
        # No target, as by default in their own commands: that of quantize holds, and what they did there is kept here.
        bench=BenchSettings(run=folder, providers=providers, time_budget_s=scale * BENCH_S),
        check=CheckSettings(run=folder, time_budget_s=scale * CHECK_S),
        force=force,
    )
    with latest.remembering(folder), output.progress() as progress:

        def finished(artifact: Artifact, kept: bool) -> None:
            progress.remark(terminal.summary(artifact, kept))

        result = pipeline.run(settings, progress, finished)
    output.show(json.run(result), as_json, lambda: terminal.run(result))
    raise SystemExit(EXIT[result.check.verdict])
