"""Writing a report where it was asked for, and saying where it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from edgetl import __version__
from edgetl.delivery import LeftOut, ReportResult
from edgetl.errors import UsageError
from edgetl.files import require_place, write_text
from edgetl.gather.values import Gathered
from edgetl.reporting import page_markdown
from edgetl.reporting.html import render
from edgetl.reporting.view.page import page

NAME = "report.html"


@dataclass(frozen=True)
class Files:
    """The HTML file, and the Markdown one if it was asked for."""

    html: Path
    markdown: Path | None


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


def write(runs: Sequence[Gathered], files: Files) -> ReportResult:
    """Write the report of ``runs`` and return what was written; raises UsageError where a file cannot be written."""
    made = page(runs, f"edgetl {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    text = render(made)
    write_text(files.html, text)
    if files.markdown is not None:
        write_text(files.markdown, page_markdown.render(made))
    return ReportResult(
        report=str(files.html),
        markdown=None if files.markdown is None else str(files.markdown),
        size_bytes=len(text.encode()),
        runs=tuple(run.name for run in made.runs),
        left_out=tuple(
            LeftOut(run=run.name, section=each.title, reason=each.reason) for run in made.runs for each in run.absent
        ),
    )


def told(result: ReportResult) -> RenderableType:
    """Return where the file is, what it lacks, and how to open it."""
    count = len(result.runs)
    what = "1 run" if count == 1 else f"{count} runs side by side"
    several = count > 1
    return Group(
        Text.assemble(("report ", "bold"), f"{result.report}: {what}, {result.size_bytes / 1e6:.2f} MB in one file"),
        *([Text(f"  the same as Markdown: {result.markdown}")] if result.markdown else []),
        *(
            Text(f"  left out{f' of {each.run}' if several else ''}: {each.section}. {each.reason}")
            for each in result.left_out
        ),
        Text(f"  open it in a browser: {Path(result.report).resolve().as_uri()}", style="dim"),
    )
