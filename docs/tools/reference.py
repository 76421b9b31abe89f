"""The page of all commands: what `--help` says of each, so that it cannot say anything else."""

from __future__ import annotations

from collections.abc import Iterator

import click

from edgetl.cli import main

WIDTH = 100
HEAD = """\
# Commands

Generated from `--help` by `python -m docs.tools` (`make docs`): do not edit. Each command has `-h`, and examples at the
end of its help. Options that you would type each time can stand in [edgetl.toml](formats.md#edgetltoml). Exit codes are
the same everywhere: 0 done or pass, 1 fail, 2 bad input, 3 could not measure, 4 inconclusive.
"""


def page() -> str:
    """Return the page as Markdown."""
    top = main.make_context("edgetl", [], resilient_parsing=True, terminal_width=WIDTH)
    sections = [
        f"## {context.command_path}\n\n```text\n{_help(context)}\n```\n" for context in (top, *contexts(main, top))
    ]
    return "\n".join((HEAD, *sections))


def contexts(group: click.Group, parent: click.Context) -> Iterator[click.Context]:
    """Yield a context for each command of ``group``, in its order, and for those inside of it."""
    for name in group.list_commands(parent):
        command = group.commands[name]
        context = click.Context(command, parent=parent, info_name=name, terminal_width=WIDTH)
        yield context
        if isinstance(command, click.Group):
            yield from contexts(command, context)


def _help(context: click.Context) -> str:
    lines = context.command.get_help(context).splitlines()
    return "\n".join(line.rstrip() for line in lines).strip()
