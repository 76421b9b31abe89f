"""`edgetl check`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from edgetl import api
from edgetl.cli import complete, options, output
from edgetl.cli.sections import SectionedCommand, option
from edgetl.defaults import CHECK_S
from edgetl.errors import EXIT_FAIL, EXIT_INCONCLUSIVE, EXIT_PASS, MeasureError

EXIT = {"pass": EXIT_PASS, "fail": EXIT_FAIL, "inconclusive": EXIT_INCONCLUSIVE}
COMPARED, JUDGED, REPORTS = "What is compared", "How it is judged", "Reports"
SIDE = "A candidate's name, another run, a bundle or an ONNX file."


@click.command(
    cls=SectionedCommand,
    epilog="""\b
Examples:
  edgetl check                                        the chosen candidate against fp32
  edgetl check --baseline released.onnx               against another model file
  edgetl check --baseline old.onnx --candidate new.onnx --images photos/
  edgetl check --baseline old.pyz --candidate new.pyz --images photos/
  edgetl check --junit check.xml --markdown check.md  for CI
Exit codes: 0 pass, 1 fail, 2 bad input, 3 could not measure, 4 inconclusive
""",
)
@option(COMPARED, "--baseline", shell_complete=complete.side, help=f"{SIDE} [default: the run's fp32 model]")
@option(COMPARED, "--candidate", shell_complete=complete.side, help=f"{SIDE} [default: the chosen one]")
@option(COMPARED, "--images", type=options.FOLDER, help="Judge on these: a folder or manifest. [default: the run's]")
@option(COMPARED, "--labels", type=options.FOLDER, help="CSV of file and label for --images.")
@option(
    COMPARED, "--provider", shell_complete=complete.provider, help="What runs ONNX files. [default: the target's first]"
)
@options.run
@option(
    JUDGED,
    "--target",
    shell_complete=complete.target,
    help="Device class whose budgets hold. [default: the run's or the bundle's, else this machine's]",
)
@option(JUDGED, "--time-budget", help=f"Stop timing after this long, such as 90s or 5m. [default: {CHECK_S:.0f}s]")
@option(JUDGED, "--on", help=options.ON)
@option(REPORTS, "--out", type=options.FOLDER, help="Keep check.json there. [default: the run, or runs/check-NAME]")
@option(REPORTS, "--junit", type=options.FOLDER, help="Write JUnit XML there.")
@option(REPORTS, "--markdown", type=options.FOLDER, help="Write a summary for pull requests there.")
@option(REPORTS, "--code-quality", type=options.FOLDER, help="Write GitLab's code quality report there.")
@option(REPORTS, "--metrics", type=options.FOLDER, help="Write GitLab's metrics report (OpenMetrics) there.")
@option(REPORTS, "--text", type=options.FOLDER, help="Write plain text there.")
@options.json
def check(run: Path | None, as_json: bool, **given: Any) -> None:
    """Judge a candidate against a baseline, here and now: pass, fail or inconclusive."""
    from edgetl.reporting import terminal
    from edgetl.reporting.ci import Reports, require, write, write_unmeasured
    from edgetl.reporting.json import as_object

    reports = Reports(**{name: given.pop(name) for name in ("junit", "markdown", "code_quality", "metrics", "text")})
    require(reports)
    with output.progress() as progress:
        try:
            result = api.check(run, progress=progress, **given)
        except MeasureError as error:
            write_unmeasured(error, reports, os.environ)
            raise
    # Before it is shown: of a report that cannot be written, stdout has one object, and check.json is there.
    write(result, reports, os.environ)
    output.show(as_object(result), as_json, lambda: terminal.check(result))
    raise SystemExit(EXIT[result.verdict])
