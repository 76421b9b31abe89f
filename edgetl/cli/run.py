"""`edgetl run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgetl.cli import options, output
from edgetl.cli.check import EXIT

if TYPE_CHECKING:
    from edgetl.artifacts import Artifact

# The seconds that each measuring stage may take when nothing is said: three minutes for all, with room for training.
QUANTIZE_S, BENCH_S, CHECK_S = 65.0, 40.0, 25.0


@click.command(
    epilog="""\b
Examples:
  edgetl run                                     embedded demo images and backbone
  edgetl run --data photos/ --target raspberry-pi-5
  edgetl run --data photos/ --json > result.json
Exit codes: those of `edgetl check`
"""
)
@options.data
@options.arch
@options.weights
@options.seed
@options.out
@options.strict
@options.target
@options.providers
@click.option("--force", is_flag=True, help="Repeat every stage, also those whose inputs have not changed.")
@options.json
def run(
    data: Path | None,
    arch: str,
    weights: str | None,
    seed: int,
    out: Path | None,
    strict: bool,
    target: str,
    providers: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """The whole job: finetune, export, quantize, bench and check, skipping what has not changed."""
    from edgetl import pipeline
    from edgetl import run as runs
    from edgetl.check import CheckSettings
    from edgetl.measure.bench import BenchSettings
    from edgetl.quantize import QuantizeSettings
    from edgetl.report import json, terminal
    from edgetl.training.finetune import FinetuneSettings

    folder = out or runs.default_folder(data, arch)
    settings = pipeline.RunSettings(
        finetune=FinetuneSettings(data=data, arch=arch, weights=weights, seed=seed, strict=strict, run=folder),
        quantize=QuantizeSettings(run=folder, target=target, time_budget_s=QUANTIZE_S),
        # No target, as by default in their own commands: that of quantize holds, and what they did there is kept here.
        bench=BenchSettings(run=folder, providers=providers, time_budget_s=BENCH_S),
        check=CheckSettings(run=folder, time_budget_s=CHECK_S),
        force=force,
    )
    with output.progress() as progress:

        def finished(artifact: Artifact, kept: bool) -> None:
            progress.remark(terminal.summary(artifact, kept))

        result = pipeline.run(settings, progress, finished)
    runs.remember(folder)
    output.show(json.run(result), as_json, lambda: terminal.run(result))
    raise SystemExit(EXIT[result.check.verdict])
