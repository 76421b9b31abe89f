"""A page as Markdown, for a pull request: the same sections and figures, charts by their words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from edgetl.reporting.lines import line
from edgetl.reporting.markdown import code, listed, table, text
from edgetl.reporting.view.blocks import (
    Cards,
    Cell,
    Chart,
    Commands,
    Gallery,
    Matrix,
    Notes,
    Page,
    RunView,
    Section,
    Table,
)


def render(page: Page) -> str:
    """Return ``page`` with the verdict first; any name in it stays plain text."""
    parts: list[str] = []
    if page.comparison:
        parts += [f"# {len(page.runs)} runs side by side", *_section(page.comparison, 2)]
    for run in page.runs:
        parts += _run(run, 2 if page.comparison else 1)
    parts.append(f"Made by {text(page.made)}.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _run(run: RunView, level: int) -> Iterator[str]:
    yield f"{'#' * level} {code(run.name)}"
    yield f"**{text(run.banner.word)}**: {text(run.banner.sentence)}"
    yield listed(run.banner.notes)
    for section in run.sections:
        yield from _section(section, level + 1)
    yield listed(f"Left out: {each.title}. {each.reason}" for each in run.absent)


def _section(section: Section, level: int) -> Iterator[str]:
    yield f"{'#' * level} {text(section.title)}"
    for block in section.blocks:
        yield _BLOCKS[block.KIND](block)


def _table(block: Table) -> str:
    left = [index for index in range(len(block.heads)) if index not in block.numeric]
    rows = table([text(head) for head in block.heads], ([_cell(cell) for cell in row] for row in block.rows), left)
    if not block.folded:
        return f"**{text(block.caption)}**\n\n{rows}"
    return f"<details><summary>{text(block.caption)}</summary>\n\n{rows}\n\n</details>"


def _cell(cell: Cell) -> str:
    said = code(cell.text) if cell.code else text(cell.text)
    return f"{said} ({text(cell.detail)})" if cell.detail else said


def _cards(block: Cards) -> str:
    return listed(f"{each.label}: {each.value}" + (f" ({each.detail})" if each.detail else "") for each in block.cards)


def _chart(block: Chart) -> str:
    said = f"*{text(block.caption)}.* {text(block.text)}"
    return said if block.table is None else f"{said}\n\n{_table(block.table)}"


def _gallery(block: Gallery) -> str:
    heads = ["image", *(term for term, _ in block.pictures[0].said)]
    rows = ([code(each.name), *(code(said) for _, said in each.said)] for each in block.pictures)
    more = f"\n\nand {block.more} more" if block.more else ""
    return f"**{text(block.caption)}**\n\n{table(heads, rows, range(len(heads)))}{more}"


def _matrix(block: Matrix) -> str:
    heads = ["shows ↓ said →", *map(code, block.names)]
    rows = ([code(name), *map(str, counts)] for name, counts in zip(block.names, block.counts, strict=True))
    return f"**{text(block.caption)}**\n\n{table(heads, rows, (0,))}"


def _commands(block: Commands) -> str:
    # Within a fence nothing is markup but another fence, and no line of these begins with one.
    lines = "\n".join(map(line, block.lines))
    return f"{text(block.caption)}:\n\n```sh\n{lines}\n```"


def _notes(block: Notes) -> str:
    return listed(block.sentences)


_BLOCKS: Mapping[str, Callable[[Any], str]] = {
    Table.KIND: _table,
    Cards.KIND: _cards,
    Chart.KIND: _chart,
    Gallery.KIND: _gallery,
    Matrix.KIND: _matrix,
    Commands.KIND: _commands,
    Notes.KIND: _notes,
}
