"""`edgetl report`."""

from __future__ import annotations

from pathlib import Path

import click

from edgetl.cli import options, output


@click.command(
    epilog="""\b
Examples:
  edgetl report                                   the last run, as runs/NAME/report.html
  edgetl report runs/bees runs/bees-resnet18      side by side, in the first one's folder
  edgetl report --out bees.html --markdown bees.md
Exit codes: 0 written, 2 bad input
"""
)
@click.argument("named", nargs=-1, type=options.FOLDER, metavar="[RUN]...")
@click.option("--out", type=options.FOLDER, help="The file to write. [default: report.html in the run's folder]")
@click.option("--markdown", type=options.FOLDER, help="Write the same as Markdown there, for a pull request.")
@options.json
def report(named: tuple[Path, ...], out: Path | None, markdown: Path | None, as_json: bool) -> None:
    """Write one HTML file that shows a run, or several side by side, with all that the verdict rests on.

    RUN is a folder, or a name under runs/; without one the last run is taken.
    """
    from edgetl import runs
    from edgetl.gather import gather
    from edgetl.report import written

    folders = [runs.resolve(each) for each in named or (None,)]
    files = written.Files(out or folders[0] / written.NAME, markdown)
    written.require(files)
    with output.progress() as progress:
        found = [gather(folder, progress) for folder in dict.fromkeys(folders)]
    result = written.write(found, files)
    output.show(written.as_object(result), as_json, lambda: written.told(result))
