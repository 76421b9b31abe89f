"""Writing a report where it was asked for, and saying where it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from edgetl import __version__
from edgetl.errors import UsageError
from edgetl.files import require_place, write_text
from edgetl.gather.values import Gathered
from edgetl.report import page_markdown
from edgetl.report.html import render
from edgetl.report.view.page import page

NAME = "report.html"


@dataclass(frozen=True)
class Files:
    """The HTML file, and the Markdown one if it was asked for."""

    html: Path
    markdown: Path | None


@dataclass(frozen=True)
class Written:
    """What was written: ``left_out`` are (run, section, reason) of what a run has nothing for."""

    files: Files
    size_bytes: int
    runs: tuple[str, ...]
    left_out: tuple[tuple[str, str, str], ...]


def require(files: Files) -> None:
    """Raise UsageError for a file that could not be written, before anything is gathered for it."""
    if files.markdown is not None and files.markdown.absolute() == files.html.absolute():
        raise UsageError(f"--out and --markdown both name {files.html}. Name a file for each.")
    for path in (files.html, files.markdown):
        if path is None:
            continue
        if path.is_dir():
            raise UsageError(f"The report {path} cannot be written: it is a folder. Name a file in it.")
        require_place(path.parent)


def write(runs: Sequence[Gathered], files: Files) -> Written:
    """Write the report of ``runs`` and return what was written; raises UsageError where a file cannot be written."""
    made = page(runs, f"edgetl {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    text = render(made)
    write_text(files.html, text)
    if files.markdown is not None:
        write_text(files.markdown, page_markdown.render(made))
    left_out = tuple((run.name, each.title, each.reason) for run in made.runs for each in run.absent)
    return Written(files, len(text.encode()), tuple(run.name for run in made.runs), left_out)


def as_object(result: Written) -> dict[str, Any]:
    """Return what was written as the object that ``--json`` prints."""
    markdown = result.files.markdown
    return {
        "report": str(result.files.html),
        "markdown": None if markdown is None else str(markdown),
        "size_bytes": result.size_bytes,
        "runs": list(result.runs),
        "left_out": [{"run": run, "section": title, "reason": reason} for run, title, reason in result.left_out],
    }


def told(result: Written) -> RenderableType:
    """Return where the file is, what it lacks, and how to open it."""
    html, markdown = result.files.html, result.files.markdown
    count = len(result.runs)
    what = "1 run" if count == 1 else f"{count} runs side by side"
    several = count > 1
    return Group(
        Text.assemble(("report ", "bold"), f"{html}: {what}, {result.size_bytes / 1e6:.2f} MB in one file"),
        *([Text(f"  the same as Markdown: {markdown}")] if markdown else []),
        *(Text(f"  left out{f' of {run}' if several else ''}: {title}. {why}") for run, title, why in result.left_out),
        Text(f"  open it in a browser: {html.resolve().as_uri()}", style="dim"),
    )
