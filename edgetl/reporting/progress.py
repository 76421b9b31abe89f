"""Progress as bars: what is done of how much, at what rate, and the time that is left."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from edgetl.progress import Progress


@contextlib.contextmanager
def bars_or(other: Progress) -> Iterator[Progress]:
    """Yield a Progress that draws bars where stderr is a terminal that can redraw a line, ``other`` elsewhere."""
    if not sys.stderr.isatty():
        yield other
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichBars

    console = Console(stderr=True, highlight=False)
    if console.is_dumb_terminal:
        yield other
        return
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
    )
    with RichBars(*columns, console=console, transient=True) as bars:
        yield _Drawn(bars)


class _Drawn:
    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def step(self, name: str, done: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, rate="")
        task = self._bars.tasks[self._bars.task_ids.index(self._tasks[name])]
        # What is done makes room for what goes on.
        self._bars.update(self._tasks[name], completed=done, total=total, rate=rate(task.speed), visible=done < total)

    def remark(self, text: str) -> None:
        self._bars.console.print(text, markup=False)


def rate(per_second: float | None) -> str:
    """Return how fast it goes, by the minute where it is slow; nothing where that is not known yet."""
    if not per_second:
        return ""
    if per_second >= 10:
        return f"{per_second:,.0f}/s"
    return f"{per_second:.1f}/s" if per_second >= 1 else f"{60 * per_second:.1f}/min"
