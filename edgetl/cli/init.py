"""`edgetl init`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from click.core import ParameterSource

from edgetl.cli import options, output

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgetl.scaffold import Scaffold

NEXT = {
    None: "edgetl run --data photos/",
    "github": "commit it with a model in models/ and images in images/; the next pull request is checked",
    "gitlab": "include it in .gitlab-ci.yml as its first lines say; the next merge request is checked",
}


@click.command(
    epilog="""\b
Examples:
  edgetl init                                 edgetl.toml, with what may stand in it
  edgetl init --ci github                     and a workflow that checks each pull request
  edgetl init --ci gitlab --target raspberry-pi-5
"""
)
@click.option("--ci", type=click.Choice(["github", "gitlab"]), help="Write a CI job that checks changes of a model.")
@click.option("--target", help="Device class whose budgets hold: see `edgetl targets`. [default: this machine's]")
@click.option("--force", is_flag=True, help="Replace files that are already there.")
@options.json
@click.pass_context
def init(
    ctx: click.Context, ci: Literal["github", "gitlab"] | None, target: str | None, force: bool, as_json: bool
) -> None:
    """Write a commented settings file here, and a CI job that gates models."""
    from edgetl.scaffold import scaffold

    if ctx.get_parameter_source("target") is ParameterSource.DEFAULT_MAP and not force:
        # It stands in the very file that is then kept.
        target = None
    result = scaffold(Path(), ci=ci, target=target, force=force)
    value = {"written": [path.as_posix() for path in result.written], "kept": [path.as_posix() for path in result.kept]}
    output.show(value, as_json, lambda: _rendered(result, ci))


def _rendered(result: Scaffold, ci: str | None) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    written = [Text(f"wrote {path}") for path in result.written]
    kept = [Text(f"kept {path}, which was already there") for path in result.kept]
    return Group(*written, *kept, Text(f"next: {NEXT[ci]}", style="dim"))
