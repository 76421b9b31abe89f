"""`edgetl init`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from edgetl.cli import complete, options, output

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgetl.scaffold import Scaffold, Wanted

MODEL = "edgetl bundle --out models/model.pyz; copy labelled images to images/"
NEXT = {
    "github": f"{MODEL}; commit all of it, and the next pull request is checked",
    "gitlab": f"{MODEL}; include the job in .gitlab-ci.yml as its first lines say, and merge requests are checked",
}
# What is asked for where nothing of it is typed.
ASKED = ("data", "target", "arch", "ci", "yes", "force", "as_json")


@click.command(
    epilog="""\b
Examples:
  edgetl init                                 on a terminal: a few questions, Enter takes the default
  edgetl init --yes                           edgetl.toml, with what may stand in it, and no question
  edgetl init --ci github                     and a workflow that checks each pull request
  edgetl init --data photos/ --target raspberry-pi-5 --ci gitlab
"""
)
@click.option("--data", metavar="PATH", help="Your images: a folder of class folders, or a CSV/JSONL manifest.")
@click.option(
    "--target",
    shell_complete=complete.target,
    help="Device class whose budgets hold: see `edgetl targets`. [default: this machine's]",
)
@click.option("--arch", shell_complete=complete.backbone, help="Backbone to start from: see `edgetl models`.")
@click.option("--ci", type=complete.Choice(["github", "gitlab"]), help="Write a CI job that checks changes of a model.")
@click.option("--yes", is_flag=True, help="Ask nothing: take the defaults.")
@click.option("--force", is_flag=True, help="Replace files that are already there.")
@options.json
@click.pass_context
def init(ctx: click.Context, /, yes: bool, force: bool, as_json: bool, **given: Any) -> None:
    """Write a commented settings file here, and a CI job that gates models; asks when nothing is said."""
    from edgetl import scaffold

    del yes  # what is typed, this too, leaves nothing to ask
    asked = scaffold.Wanted(**{name: given[name] for name in given if force or name == "ci" or _is_typed(ctx, name)})
    if sys.stdin.isatty() and not any(_is_typed(ctx, name) for name in ASKED):
        from edgetl.cli.questions import ask

        asked, force = ask(scaffold.SETTINGS)
    result = scaffold.scaffold(Path(), asked, force=force)
    value = {"written": [path.as_posix() for path in result.written], "kept": [path.as_posix() for path in result.kept]}
    output.show(value, as_json, lambda: _rendered(result, asked))


def _is_typed(ctx: click.Context, name: str) -> bool:
    """Return whether an option is typed: what stands in the very file that is kept or refused is not asked for."""
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _rendered(result: Scaffold, asked: Wanted) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from edgetl.reporting.lines import following

    written = [Text(f"wrote {path}") for path in result.written]
    kept = [Text(f"kept {path}, which was already there") for path in result.kept]
    further = NEXT[asked.ci] if asked.ci else "edgetl run" if asked.data else "edgetl run --data photos/"
    return Group(*written, *kept, following(further))
