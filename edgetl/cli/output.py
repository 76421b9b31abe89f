"""What goes to the terminal: progress and remarks to stderr, the result to stdout."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from edgetl.progress import Progress

# How long a pipe hears nothing of work that goes on.
SILENCE_S = 20.0


def show(value: Mapping[str, Any], as_json: bool, render: Callable[[], RenderableType]) -> None:
    """Print a result: as one JSON object, or rendered for a person."""
    if as_json:
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    # A pipe has no width: 120 columns keep every figure there, and 80 suit the narrowest terminal.
    console = Console(highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else 120)
    console.print(render())


@contextlib.contextmanager
def progress() -> Iterator[Progress]:
    """Yield a Progress that draws bars on a terminal; elsewhere it prints remarks, and a line at times in long work."""
    if not sys.stderr.isatty():
        yield _Plain()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichBars

    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
    )
    with RichBars(*columns, console=Console(stderr=True, highlight=False), transient=True) as bars:
        yield _Drawn(bars)


class _Plain:
    """A line now and then on what takes long: a log shows that the work goes on."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def step(self, name: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done < total and now - self._said >= SILENCE_S:
            self._said = now
            click.echo(f"{name}: {done} of {total}", err=True)

    def remark(self, text: str) -> None:
        click.echo(text, err=True)


class _Drawn:
    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def step(self, name: str, done: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, rate="")
        task = self._bars.tasks[self._bars.task_ids.index(self._tasks[name])]
        rate = f"{task.speed:,.0f}/s" if task.speed and task.speed >= 1 else ""
        # What is done makes room for what goes on.
        self._bars.update(self._tasks[name], completed=done, total=total, rate=rate, visible=done < total)

    def remark(self, text: str) -> None:
        self._bars.console.print(text, markup=False)
