"""`edgetl quantize`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from edgetl import api
from edgetl.cli import complete, options, output
from edgetl.cli.searching import SEARCH, search_options
from edgetl.cli.sections import SectionedCommand, option
from edgetl.defaults import QUANTIZE_S

FOREIGN, DATA_FILE = "A model of your own", click.Path(path_type=Path)
OF_MODEL = ("calibration", "labels", "mean", "std", "resize", "crop", "interpolation")


@click.command(
    cls=SectionedCommand,
    epilog="""\b
Examples:
  edgetl quantize                             for this machine
  edgetl quantize --target raspberry-pi-5 --on ssh://pi@kitchen
  edgetl quantize --max-drop 0.5% --time-budget 5m
  edgetl quantize model.onnx --calibration photos/ --labels labels.csv
  edgetl quantize --explain                   what runs in int8, what does not, and why
""",
)
@click.argument("model", required=False, type=DATA_FILE)
@options.run
@options.target
@search_options
@option(
    SEARCH, "--time-budget", help=f"Stop searching after this long, for example 90s or 5m. [default: {QUANTIZE_S:.0f}s]"
)
@option(SEARCH, "--on", help=options.ON)
@option(SEARCH, "--explain", is_flag=True, help="Do not search: show the chosen candidate node by node.")
@option(
    SEARCH,
    "--candidate",
    shell_complete=complete.candidate,
    help="Which candidate --explain shows. [default: the chosen one, or the best int8 one]",
)
@option(FOREIGN, "--calibration", type=DATA_FILE, help="Its images: a folder, class folders or a CSV/JSONL manifest.")
@option(
    FOREIGN, "--labels", type=DATA_FILE, help="CSV of file and label (index or name). Without: agreement with fp32."
)
@option(FOREIGN, "--mean", type=float, nargs=3, help="Mean of each channel, 0 to 1. [default: ImageNet's]")
@option(FOREIGN, "--std", type=float, nargs=3, help="Deviation of each channel. [default: ImageNet's]")
@option(FOREIGN, "--resize", type=options.Whole(1), metavar="N", help="Short side before the crop, in pixels.")
@option(FOREIGN, "--crop", type=options.Whole(1), metavar="N", help="Side of the centre crop. [default: the input's]")
@option(FOREIGN, "--interpolation", help="How its images are resized: bilinear, bicubic, ... [default: bilinear]")
@options.json
def quantize(model: Path | None, run: Path | None, explain: bool, as_json: bool, **given: Any) -> None:
    """Make the candidates for a target and choose the fastest that provably keeps its accuracy.

    MODEL is an ONNX classifier that edgetl did not train; without one the last run's own is taken.
    """
    if given["candidate"] is not None and not explain:
        raise click.UsageError("--candidate says what --explain shows. Add --explain, or leave it out.")
    (_explain if explain else _search)(model, run, given, as_json)


def _search(model: Path | None, run: Path | None, given: Mapping[str, Any], as_json: bool) -> None:
    from edgetl.reporting import terminal
    from edgetl.reporting.json import as_object

    asked = {name: value for name, value in given.items() if name != "candidate"}
    with output.progress() as progress:
        result = api.quantize(model, run=run, progress=progress, **asked)
    output.show(as_object(result), as_json, lambda: terminal.quantize(result))


def _explain(model: Path | None, run: Path | None, given: Mapping[str, Any], as_json: bool) -> None:
    from edgetl.reporting.explanation import explanation

    asked = {name: given[name] for name in ("candidate", *OF_MODEL)}
    with output.progress() as progress:
        shown = api.explain(model, run=run, progress=progress, **asked)
    output.show(shown.model_dump(mode="json"), as_json, lambda: explanation(shown))
