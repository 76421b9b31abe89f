"""`edgetl docs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edgetl.cli import complete, options, output

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.command(
    epilog="""\b
Examples:
  edgetl docs                            the names of all pages
  edgetl docs raspberry-pi               one of them
  edgetl docs troubleshooting#runs       a part of one, as errors name it
  edgetl docs ci | less -R
"""
)
@click.argument("page", required=False, shell_complete=complete.page)
@options.json
def docs(page: str | None, as_json: bool) -> None:
    """Show a page of the documentation, which is installed with edgetl."""
    from edgetl import pages

    known = pages.names()
    if page is None:
        output.show({"pages": known}, as_json, lambda: _listed(known))
    else:
        text = pages.read(page)
        output.show({"page": page, "markdown": text}, as_json, lambda: _drawn(text))


def _listed(known: list[str]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from edgetl.reporting.lines import following

    return Group(*map(Text, known), following("edgetl docs tutorial"))


def _drawn(text: str) -> RenderableType:
    from rich.markdown import Markdown

    # Links lead from page to page of the site: on a terminal their words do.
    return Markdown(text, hyperlinks=False)
