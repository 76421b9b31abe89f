"""`edgetl env`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from edgetl.cli import complete, options, output
from edgetl.cli.group import Named

if TYPE_CHECKING:
    from edgetl.environments import Made


@click.group(
    cls=Named,
    epilog="""\b
Examples:
  edgetl env create openvino-ep                 then: edgetl bench --provider openvino-ep
  edgetl env list                               which there are, and what is in them
  edgetl env remove openvino-ep
""",
)
def env() -> None:
    """Make environments for providers whose engine cannot be installed beside this one's."""


@env.command(
    epilog="""\b
Examples:
  edgetl env create openvino-ep
  edgetl env create cuda --json
Exit codes: 0 made or already there, 2 bad input, 3 when it could not be installed
"""
)
@click.argument("name", shell_complete=complete.environment)
@options.json
def create(name: str, as_json: bool) -> None:
    """Make an environment with pip, beside this one and without touching it."""
    from edgetl import environments
    from edgetl.reporting import environments as shown

    with output.progress() as progress:
        made = environments.create(name, progress)
    row = _row(name, made)
    output.show(row, as_json, lambda: shown.environments([row]))


@env.command(
    "list",
    epilog="""\b
Examples:
  edgetl env list
  edgetl env list --json
""",
)
@options.json
def list_(as_json: bool) -> None:
    """List the environments that can be made, and what is in those that were."""
    from edgetl import environments
    from edgetl.reporting import environments as shown

    rows = [_row(name, environments.made(name)) for name in environments.ENVIRONMENTS]
    output.show({"environments": rows}, as_json, lambda: shown.environments(rows))


@env.command(
    epilog="""\b
Examples:
  edgetl env remove openvino-ep
"""
)
@click.argument("name", shell_complete=complete.environment)
@options.json
def remove(name: str, as_json: bool) -> None:
    """Remove an environment, without asking: it can be made again."""
    from rich.text import Text

    from edgetl import environments

    removed = environments.remove(name)
    said = f"Environment '{name}' was removed." if removed else f"There was no environment '{name}' here."
    output.show({"name": name, "removed": removed}, as_json, lambda: Text(said))


def _row(name: str, made: Made | None) -> dict[str, Any]:
    from edgetl.environments import ENVIRONMENTS

    return {
        "name": name,
        "description": ENVIRONMENTS[name].description,
        "folder": None if made is None else str(made.folder),
        "python": None if made is None else made.python,
        "versions": None if made is None else dict(made.versions),
    }
