"""`edgetl rank`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgetl import api
from edgetl.cli import complete, options, output
from edgetl.defaults import RANK_S
from edgetl.errors import EXIT_PASS

BUDGET = f"{RANK_S / 60:.0f}m"


@click.command(
    epilog="""\b
Examples:
  edgetl rank --data photos/                              every backbone, for this machine
  edgetl rank --data photos/ --target raspberry-pi-5 --time-budget 30m
  edgetl rank --data photos/ --arch resnet18 --arch mobilenet_v2
  edgetl rank --data photos/ --weights resnet18=resnet18.pth
\b
A backbone is on the front when no other is both at least as accurate and faster. Each figure comes with its 95 %
interval; where intervals overlap, it is a tie. Recommended is the fastest whose accuracy is not provably below the
best. Ctrl-C shows what was measured so far.
Exit codes: 0 ranked, 2 bad input, 3 nothing could be measured, 130 interrupted
"""
)
@options.data
@options.target
@click.option(
    "--arch",
    "archs",
    multiple=True,
    shell_complete=complete.backbone,
    help="Backbone to try (repeatable). [default: all of `edgetl models`]",
)
@click.option(
    "--weights",
    multiple=True,
    help="Source weights of all backbones: imagenet, embedded or none; or ARCH=FILE for one (repeatable). "
    "[default: imagenet; embedded for the demo images]",
)
@click.option("--time-budget", default=BUDGET, show_default=True, help="Start no other backbone after this long.")
@options.seed
@options.strict
@options.json
def rank(data: Path | None, as_json: bool, **given: Any) -> None:
    """List the backbones worth a choice: accuracy on your images against latency on the target, cheap first."""
    from edgetl.cli.interruption import SIGNALLED
    from edgetl.reporting import rank as report

    with output.progress() as progress:
        result = api.rank(data, progress=progress, **given)
    output.show(result.model_dump(mode="json"), as_json, lambda: report.rank(result, str(data) if data else None))
    raise SystemExit(SIGNALLED + 2 if result.interrupted else EXIT_PASS)
