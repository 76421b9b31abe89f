"""`edgetl finetune`."""

from __future__ import annotations

from pathlib import Path

import click

from edgetl.cli import options, output


@click.command(
    epilog="""\b
Examples:
  edgetl finetune                                  embedded demo images and backbone
  edgetl finetune --data photos/                   one folder per class
  edgetl finetune --data photos/ --arch resnet18 --weights resnet18.pth
"""
)
@options.data
@options.arch
@options.weights
@options.seed
@options.out
@options.strict
@options.json
def finetune(
    data: Path | None, arch: str, weights: str | None, seed: int, out: Path | None, strict: bool, as_json: bool
) -> None:
    """Train a new head on a pretrained backbone, on your images."""
    from edgetl import run as runs
    from edgetl.report import terminal
    from edgetl.report.json import as_object
    from edgetl.training.finetune import FinetuneSettings
    from edgetl.training.finetune import finetune as stage

    folder = out or runs.default_folder(data, arch)
    settings = FinetuneSettings(data=data, arch=arch, weights=weights, seed=seed, strict=strict, run=folder)
    with output.progress() as progress:
        result = stage(settings, progress)
    runs.remember(folder)
    output.show(as_object(result), as_json, lambda: terminal.finetune(result))
