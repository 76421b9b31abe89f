"""`edgetl quantize`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgetl.cli import options, output
from edgetl.cli.sections import SectionedCommand, option

if TYPE_CHECKING:
    from edgetl.progress import Progress

FOREIGN, SEARCH, DATA_FILE = "A model of your own", "Search", click.Path(path_type=Path)
# The seconds for a search where nothing is said.
SECONDS = 120.0


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
@option(SEARCH, "--max-drop", help="Largest allowed loss of top-1, such as 0.5%. [default: the target's budget]")
@option(
    SEARCH, "--time-budget", help=f"Stop searching after this long, for example 90s or 5m. [default: {SECONDS:.0f}s]"
)
@option(SEARCH, "--on", help=options.ON)
@option(SEARCH, "--accept-unproven", is_flag=True, help="Also choose what too few images neither prove nor refute.")
@option(SEARCH, "--explain", is_flag=True, help="Do not search: show the chosen candidate node by node.")
@option(SEARCH, "--candidate", help="Which candidate --explain shows. [default: the chosen one, or the best int8 one]")
@option(FOREIGN, "--calibration", type=DATA_FILE, help="Its images: a folder, class folders or a CSV/JSONL manifest.")
@option(
    FOREIGN, "--labels", type=DATA_FILE, help="CSV of file and label (index or name). Without: agreement with fp32."
)
@option(FOREIGN, "--mean", type=float, nargs=3, help="Mean of each channel, 0 to 1. [default: ImageNet's]")
@option(FOREIGN, "--std", type=float, nargs=3, help="Deviation of each channel. [default: ImageNet's]")
@option(FOREIGN, "--resize", type=click.IntRange(1), metavar="N", help="Short side before the crop, in pixels.")
@option(FOREIGN, "--crop", type=click.IntRange(1), metavar="N", help="Side of the centre crop. [default: the input's]")
@option(FOREIGN, "--interpolation", help="How its images are resized: bilinear, bicubic, ... [default: bilinear]")
@options.json
def quantize(model: Path | None, run: Path | None, explain: bool, as_json: bool, **given: Any) -> None:
    """Make the candidates for a target and choose the fastest that provably keeps its accuracy.

    MODEL is an ONNX classifier that edgetl did not train; without one the last run's own is taken.
    """
    from edgetl import run as runs

    if given["candidate"] is not None and not explain:
        raise click.UsageError("--candidate says what --explain shows. Add --explain, or leave it out.")
    with output.progress() as progress:
        folder = _folder(model, run, given, progress)
        if explain:
            _explain(folder, given["candidate"], as_json, progress)
        else:
            _search(folder, given, as_json, progress)
    runs.remember(folder)


def _folder(model: Path | None, run: Path | None, given: dict[str, Any], progress: Progress) -> Path:
    """Return the folder of the run to work on; that of a model from elsewhere is made."""
    from edgetl import run as runs
    from edgetl.errors import UsageError

    foreign = ("calibration", "labels", "mean", "std", "resize", "crop", "interpolation")
    if model is None:
        named = next((name for name in foreign if given[name] is not None), None)
        if named is not None:
            raise UsageError(f"--{named} is for a model of your own. Name it: edgetl quantize model.onnx --{named} ...")
        return runs.resolve(run)
    from edgetl.adopt import AdoptSettings, adopt

    if given["calibration"] is None:
        raise UsageError(f"{model} needs images to calibrate and judge by. Name them with --calibration DIR.")
    settings = AdoptSettings(
        model=model, images=given["calibration"], out=run, **{name: given[name] for name in foreign[1:]}
    )
    folder = Path(adopt(settings, progress).run)
    # Now, since a search that is interrupted leaves a usable choice there.
    runs.remember(folder)
    return folder


def _search(folder: Path, given: dict[str, Any], as_json: bool, progress: Progress) -> None:
    from edgetl.environments.local import local_command
    from edgetl.measure.remote import worker_command
    from edgetl.quantities import fraction, seconds
    from edgetl.quantize import QuantizeSettings
    from edgetl.quantize import quantize as stage
    from edgetl.report import terminal
    from edgetl.report.json import as_object

    settings = QuantizeSettings(
        run=folder,
        target=given["target"],
        max_drop=fraction(given["max_drop"]),
        time_budget_s=seconds(given["time_budget"], default=SECONDS),
        worker=local_command() if given["on"] is None else worker_command(given["on"]),
        accept_unproven=given["accept_unproven"],
    )
    result = stage(settings, progress)
    output.show(as_object(result), as_json, lambda: terminal.quantize(result))


def _explain(folder: Path, candidate: str | None, as_json: bool, progress: Progress) -> None:
    from edgetl.quantize.explain import explain
    from edgetl.report.explanation import explanation

    shown = explain(folder, candidate, progress)
    output.show(shown.model_dump(mode="json"), as_json, lambda: explanation(shown))
