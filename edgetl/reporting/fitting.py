"""A table that shows as many of its columns as fit the terminal, the important ones first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

GAP = 2


@dataclass(frozen=True)
class Column:
    """A heading and one cell a row. Columns of a lower ``rank`` are kept longer as the terminal gets narrower."""

    heading: str
    cells: Sequence[Text]
    rank: int = 0
    left: bool = False

    @property
    def width(self) -> int:
        """Return the width of the widest cell, heading included."""
        return max(cell.cell_len for cell in (Text(self.heading), *self.cells))


@dataclass(frozen=True)
class FittingTable:
    """Columns in the order of their appearance; those of rank 0 are always shown."""

    columns: Sequence[Column]

    def shown(self, width: int) -> list[Column]:
        """Return the columns that fit ``width`` characters, in their order."""
        kept: list[Column] = []
        for column in sorted(self.columns, key=lambda each: each.rank):
            needed = sum(each.width + GAP for each in (*kept, column)) - GAP
            if column.rank == 0 or needed <= width:
                kept.append(column)
        return [column for column in self.columns if column in kept]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table for this terminal."""
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
        shown = self.shown(options.max_width)
        for column in shown:
            # As text, since a class may be called [like this], which is markup to Rich.
            table.add_column(Text(column.heading), justify="left" if column.left else "right", overflow="fold")
        for row in zip(*(column.cells for column in shown), strict=True):
            table.add_row(*row)
        yield table
