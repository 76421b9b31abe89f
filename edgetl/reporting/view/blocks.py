"""The parts that a page is built of. Renderers have one template for each kind of block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

NONE = "–"

Tone = Literal["", "pass", "fail", "inconclusive", "chosen", "muted"]
# A Vega-Lite specification.
Spec = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Cell:
    """A cell's text, with a ``detail`` in small below; ``tone`` says it again by colour, ``code`` may be copied."""

    text: str
    tone: Tone = ""
    code: bool = False
    detail: str = ""


@dataclass(frozen=True)
class Table:
    """Rows whose first cell is their heading. ``numeric`` are the columns of figures; ``folded`` opens on a click."""

    KIND: ClassVar[str] = "table"

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int] = frozenset()
    folded: bool = False


@dataclass(frozen=True)
class Column(Generic[T]):
    """How a column of a table is made from its items."""

    head: str
    cell: Callable[[T], Cell | str]
    numeric: bool = True


def table(caption: str, columns: Sequence[Column[T]], items: Iterable[T], *, folded: bool = False) -> Table:
    """Return a table of ``items``, a row each; columns with nothing in them are left out."""
    rows = [[_cell(column.cell(item)) for column in columns] for item in items]
    kept = [index for index in range(len(columns)) if not index or any(row[index].text != NONE for row in rows)]
    return Table(
        caption,
        tuple(columns[index].head for index in kept),
        tuple(tuple(row[index] for index in kept) for row in rows),
        frozenset(place for place, index in enumerate(kept) if columns[index].numeric),
        folded,
    )


def _cell(value: Cell | str) -> Cell:
    return Cell(value) if isinstance(value, str) else value


@dataclass(frozen=True)
class Card:
    """A figure worth a glance, what it is of, and what it rests on."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class Cards:
    """A few figures side by side."""

    KIND: ClassVar[str] = "cards"

    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Chart:
    """A drawing for wide and for narrow screens; ``text`` says in words what is to be seen, ``table`` the figures."""

    KIND: ClassVar[str] = "chart"

    caption: str
    text: str
    wide: Spec
    narrow: Spec
    table: Table | None = None


@dataclass(frozen=True)
class Picture:
    """A thumbnail (a JPEG, or None and the reason ``missing``) with what is to be said of it."""

    name: str
    said: tuple[tuple[str, str], ...]
    jpeg: bytes | None
    missing: str


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side; ``more`` of the kind are not shown."""

    KIND: ClassVar[str] = "gallery"

    caption: str
    pictures: tuple[Picture, ...]
    more: int = 0


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: ``counts`` by true class and then by predicted one."""

    KIND: ClassVar[str] = "matrix"

    caption: str
    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Commands:
    """Command lines to copy."""

    KIND: ClassVar[str] = "commands"

    caption: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Notes:
    """Sentences."""

    KIND: ClassVar[str] = "notes"

    sentences: tuple[str, ...]


Block = Table | Cards | Chart | Gallery | Matrix | Commands | Notes


@dataclass(frozen=True)
class Section:
    """A part of a report. ``reading`` tells a newcomer in a line how to read it."""

    key: str
    title: str
    reading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Absent:
    """A part that a run has nothing for, and what would make it."""

    title: str
    reason: str


@dataclass(frozen=True)
class Banner:
    """The verdict: a word, one sentence, and what else is to be known."""

    tone: Tone
    word: str
    sentence: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunView:
    """One run: its verdict first, then its sections, then what it has nothing for. ``key`` is unique on the page."""

    key: str
    name: str
    banner: Banner
    sections: tuple[Section, ...]
    absent: tuple[Absent, ...]


@dataclass(frozen=True)
class Page:
    """A report of one run, or of several with a comparison before them."""

    title: str
    comparison: Section | None
    runs: tuple[RunView, ...]
    made: str
