"""`edgetl report`."""

from __future__ import annotations

from pathlib import Path

import click

from edgetl import api
from edgetl.cli import complete, options, output


@click.command(
    epilog="""\b
Examples:
  edgetl report                                   the last run, as runs/NAME/report.html
  edgetl report runs/bees runs/bees-resnet18      side by side, in the first one's folder
  edgetl report --out bees.html --markdown bees.md
Exit codes: 0 written, 2 bad input
"""
)
@click.argument("runs", nargs=-1, type=options.FOLDER, metavar="[RUN]...", shell_complete=complete.run)
@click.option("--out", type=options.FOLDER, help="The file to write. [default: report.html in the run's folder]")
@click.option("--markdown", type=options.FOLDER, help="Write the same as Markdown there, for a pull request.")
@options.json
def report(runs: tuple[Path, ...], out: Path | None, markdown: Path | None, as_json: bool) -> None:
    """Write one HTML file that shows a run, or several side by side, with all that the verdict rests on.

    RUN is a folder, or a name under runs/; without one the last run is taken.
    """
    from edgetl.reporting import written

    with output.progress() as progress:
        result = api.report(*runs, out=out, markdown=markdown, progress=progress)
    output.show(result.model_dump(mode="json"), as_json, lambda: written.told(result))
