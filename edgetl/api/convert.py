"""From the trained classifier to ONNX and to the candidates of a target; also for a model from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from edgetl.api.given import Duration, Place, path, run_folder, watched, worker
from edgetl.defaults import QUANTIZE_S, TARGET

if TYPE_CHECKING:
    from pathlib import Path

    from edgetl.adopt.stage import Triple
    from edgetl.artifacts import ExportResult, QuantizeResult
    from edgetl.progress import Progress
    from edgetl.quantization.explain.values import Explanation


class Seen(TypedDict, total=False):
    """How a model from elsewhere sees images; what is left out or None is ImageNet's, at the size that it fixes.

    ``labels`` is a CSV of file and label, ``mean`` and ``std`` are RGB on the 0..1 scale, ``resize`` (the short side)
    and ``crop`` in pixels.
    """

    labels: Place | None
    mean: Triple | None
    std: Triple | None
    resize: int | None
    crop: int | None
    interpolation: str | None


def export(run: Place | None = None, *, calibrated: bool = False, progress: Progress | None = None) -> ExportResult:
    """Return the fp32 ONNX model written into the run, after its logits were compared with torch's.

    ``calibrated`` divides the logits by the temperature that `finetune` fitted. Raises ExportError where the logits
    differ, RunError for a run without a classifier.
    """
    from edgetl import runs
    from edgetl.exporting import ExportSettings
    from edgetl.exporting import export as stage

    folder = run_folder(run)
    with watched(progress) as watching:
        result = stage(ExportSettings(run=folder, calibrated=calibrated), watching)
    runs.remember(folder)
    return result


def quantize(
    model: Place | None = None,
    *,
    run: Place | None = None,
    target: str = TARGET,
    max_drop: float | str | None = None,
    time_budget: Duration | None = None,
    on: str | None = None,
    accept_unproven: bool = False,
    calibration: Place | None = None,
    progress: Progress | None = None,
    **seen: Unpack[Seen],
) -> QuantizeResult:
    """Return a target's candidates, each with accuracy, latency and why it won or lost; one of them is chosen.

    ``max_drop`` is the largest allowed loss of top-1, None the target's budget; ``on`` where to measure
    (ssh://user@host, or a worker's command line). ``model`` is an ONNX classifier that edgetl did not train:
    ``calibration`` then names images for it, and the rest (`Seen`) how it sees them.
    Raises UsageError for bad input, RunError for a run that was not exported.
    """
    from edgetl import runs
    from edgetl.quantities import fraction, seconds
    from edgetl.quantization.stage import QuantizeSettings
    from edgetl.quantization.stage import quantize as stage

    own = _given(seen)
    with watched(progress) as watching:
        folder = _folder(model, run, calibration, own, watching)
        settings = QuantizeSettings(
            run=folder,
            target=target,
            max_drop=fraction(max_drop),
            time_budget_s=seconds(time_budget, default=QUANTIZE_S),
            worker=worker(on),
            accept_unproven=accept_unproven,
        )
        result = stage(settings, watching)
    runs.remember(folder)
    return result


def explain(
    model: Place | None = None,
    *,
    run: Place | None = None,
    candidate: str | None = None,
    calibration: Place | None = None,
    progress: Progress | None = None,
    **seen: Unpack[Seen],
) -> Explanation:
    """Return what int8 does to each node of a candidate, by default the chosen one or the best int8 one.

    The model and its images are named as for `quantize`. Raises UsageError where the candidate has no int8 ONNX graph.
    """
    from edgetl import runs
    from edgetl.quantization.explain import explain as stage

    own = _given(seen)
    with watched(progress) as watching:
        folder = _folder(model, run, calibration, own, watching)
        result = stage(folder, candidate, watching)
    runs.remember(folder)
    return result


def _given(seen: Seen) -> dict[str, Any]:
    """Return what was said of a model from elsewhere, by the names of `AdoptSettings`."""
    return {name: value for name, value in {**seen, "labels": path(seen.get("labels"))}.items() if value is not None}


def _folder(
    model: Place | None, run: Place | None, calibration: Place | None, own: dict[str, Any], progress: Progress
) -> Path:
    """Return the folder of the run to work on; that of a model from elsewhere is made."""
    from edgetl import runs
    from edgetl.errors import UsageError

    images, file = path(calibration), path(model)
    if file is None:
        named = next(iter({**({} if images is None else {"calibration": images}), **own}), None)
        if named is not None:
            raise UsageError(f"--{named} is for a model of your own. Name it: edgetl quantize model.onnx --{named} ...")
        return run_folder(run)
    from edgetl.adopt.stage import AdoptSettings, adopt

    if images is None:
        raise UsageError(f"{file} needs images to calibrate and judge by. Name them with --calibration DIR.")
    adopted = adopt(AdoptSettings(model=file, images=images, out=path(run), **own), progress)
    # Now, since a search that is interrupted leaves a usable choice there.
    folder = type(file)(adopted.run)
    runs.remember(folder)
    return folder
