"""A command with many options, whose help shows them under headings."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

# A longer name stands on a line of its own.
COLUMN = 26

# How click says that there is one word too many.
_STRAY = re.compile(r"Got unexpected extra argument \((\S+)\)\.?")

F = TypeVar("F", bound=Callable[..., Any])


class SectionedOption(click.Option):
    """An option that stands under a heading of its own in the help."""

    def __init__(self, *args: Any, section: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose help groups its options: those without a section come last. It takes no arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does; a folder without its option is told with it."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            stray = _STRAY.fullmatch(error.message)
            if stray is None or not any("--data" in each.opts for each in self.params):
                raise
            said = f"`edgetl {ctx.info_name}` takes options only. Did you mean --data {stray[1]}?"
            raise click.UsageError(said, ctx) from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each section's options under its heading, in the order in which they were declared."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            # An argument without a help text is named in the usage line alone.
            if record is not None and record[1]:
                sections.setdefault(getattr(parameter, "section", "Options"), []).append(record)
        plain = sections.pop("Options", [])
        widest = max(len(name) for records in (*sections.values(), plain) for name, _ in records)
        for heading, records in (*sections.items(), ("Options", plain)):
            # One column for all sections: the first name of each is as wide as the widest of all.
            (first, text), *others = records
            with formatter.section(heading):
                formatter.write_dl([(first.ljust(min(widest, COLUMN)), text), *others], col_max=COLUMN)


def option(section: str, *names: str, **settings: Any) -> Callable[[F], F]:
    """Return a decorator that adds an option under the heading ``section``."""
    return click.option(*names, cls=SectionedOption, section=section, **settings)


def options(decorators: Sequence[Callable[[F], F]]) -> Callable[[F], F]:
    """Return one decorator for several options, shown in their order."""

    def decorate(command: F) -> F:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate
