"""What goes to the terminal: progress and remarks to stderr, the result to stdout."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgetl.progress import Progress

# How long a pipe hears nothing of work that goes on.
SILENCE_S = 20.0


def colour() -> bool | None:
    """Return False where the user or the terminal wants no colour; None leaves it to whether there is a terminal."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def show(value: Mapping[str, Any], as_json: bool, render: Callable[[], RenderableType]) -> None:
    """Print a result: as one JSON object, or rendered for a person."""
    if as_json:
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    # A pipe has no width: 120 columns keep every figure there, and 80 suit the narrowest terminal.
    console = Console(highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else 120)
    console.print(render())


def progress() -> AbstractContextManager[Progress]:
    """Return a Progress that draws bars on a terminal; elsewhere it prints remarks, and a line at times."""
    from edgetl.reporting.progress import bars_or

    return bars_or(_Plain())


class _Plain:
    """A line now and then on what takes long: a log shows that the work goes on, and that what it told of has ended."""

    def __init__(self) -> None:
        self._said = time.monotonic()
        self._begun: set[str] = set()

    def step(self, name: str, done: int, total: int) -> None:
        now = time.monotonic()
        ended = done >= total and name in self._begun
        if ended or (done < total and now - self._said >= SILENCE_S):
            self._said = now
            (self._begun.discard if ended else self._begun.add)(name)
            click.echo(f"{name}: {done} of {total}", err=True)

    def remark(self, text: str) -> None:
        click.echo(text, err=True)
