"""`edgetl finetune`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgetl import api
from edgetl.cli import options, output
from edgetl.cli.sections import SectionedCommand
from edgetl.cli.training import training_options


@click.command(
    cls=SectionedCommand,
    epilog="""\b
Examples:
  edgetl finetune                                  embedded demo images and backbone
  edgetl finetune --data photos/                   one folder per class
  edgetl finetune --data photos/ --strategy auto --time-budget 5m
  edgetl finetune --data photos/ --arch resnet18 --weights resnet18.pth
  edgetl finetune --data photos/ --adapt-to from-the-new-camera/
  torchrun --nproc-per-node 2 -m edgetl finetune --data photos/ --strategy full
""",
)
@training_options
@options.json
def finetune(as_json: bool, **given: Any) -> None:
    """Train a new head on a pretrained backbone, on your images."""
    from edgetl.training.distributed import told

    with output.progress() as progress:
        result = api.finetune(progress=progress, **given)
    if not told().leads:
        return
    # Late, and not with the others: by now the stage has imported what these need while it had to wait.
    from edgetl.evaluation import Evaluation
    from edgetl.reporting import terminal
    from edgetl.reporting.json import as_object

    output.show(as_object(result), as_json, lambda: terminal.finetune(result, Evaluation.load(Path(result.run))))
