"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgetl.cli import complete
from edgetl.defaults import TARGET

FOLDER = click.Path(path_type=Path)

run = click.option(
    "--run",
    type=FOLDER,
    shell_complete=complete.run,
    help="The run to work on: a folder, or a name under runs/. [default: the last]",
)
json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout, all else to stderr.")
target = click.option(
    "--target",
    default=TARGET,
    show_default=True,
    shell_complete=complete.target,
    help="Device class: see `edgetl targets`.",
)
run_target = click.option(
    "--target",
    shell_complete=complete.target,
    help="Device class whose budgets hold. [default: the one quantize was given]",
)


class Whole(click.IntRange):
    """A whole number in a range; what is none is told so in plain words."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; raises BadParameter."""
        try:
            int(value)
        except (TypeError, ValueError):
            raise click.BadParameter(f"'{value}' is not a whole number.", ctx, param) from None
        return super().convert(value, param, ctx)


# What numpy and torch take.
SEED = Whole(0, 2**63 - 1)
seed = click.option("--seed", type=SEED, metavar="N", default=0, show_default=True, help="Seed of every random choice.")
data = click.option(
    "--data", type=FOLDER, help="Folder of class folders, or a CSV/JSONL manifest. [default: the embedded demo images]"
)
strict = click.option("--strict", is_flag=True, help="Refuse a data set with unusable images instead of skipping them.")
providers = click.option(
    "--provider",
    "providers",
    multiple=True,
    shell_complete=complete.provider,
    help="Measure on this provider (repeatable): cpu, openvino, cuda, ... [default: what the target lists]",
)
ON = "Measure there: ssh://user@host[:port][/path/to/python], or a worker's command line."
time_budget = click.option(
    "--time-budget", shell_complete=complete.duration, help="Stop measuring after this long, for example 90s or 5m."
)
