"""The stage: the cheapest backbones come first, so that whenever it ends, what was measured is an answer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgetl import targets, weights
from edgetl.backbones import Backbone
from edgetl.dataset import Dataset, ImageRef, scan
from edgetl.errors import ExportError, MeasureError, WeightsError, WorkerError
from edgetl.files import replacing
from edgetl.measure.anchor import Anchored, Model
from edgetl.progress import Progress
from edgetl.ranking.lineup import lineup, validated_images
from edgetl.ranking.pareto import contenders, front, recommended
from edgetl.ranking.values import Contestant, RankResult, RankRow, RankSettings, Tried

if TYPE_CHECKING:
    from edgetl.training.heads.cross_validated import CrossValidated

MS = 1e6

# A backbone is timed against the anchor for this long; in the end those that may be on the front race side by side.
ALONE_S, FINAL_S, FINAL_SHARE = 3.0, 10.0, 0.15
# How many of them, besides the anchor: each is a process with a whole network in memory.
FINALISTS = 5

STEP = "rank backbones"


class OutOfTimeError(Exception):
    """The time budget ended in the midst of a backbone."""


@dataclass(frozen=True)
class Until:
    """Progress that ends, by `OutOfTimeError`, what reports to it at a moment of the monotonic clock."""

    inner: Progress
    end: float

    def step(self, name: str, done: int, total: int) -> None:
        """Pass it on, or end what reports it."""
        self.inner.step(name, done, total)
        if time.monotonic() >= self.end:
            raise OutOfTimeError

    def remark(self, text: str) -> None:
        """Pass it on."""
        self.inner.remark(text)


def rank(settings: RankSettings, progress: Progress) -> RankResult:
    """Return every backbone's accuracy and latency, as far as the time went; Ctrl-C ends it like the time.

    Raises UsageError for bad input of any kind, MeasureError when no backbone could be measured, KeyboardInterrupt when
    the user ended it before the first one was.
    """
    start = time.monotonic()
    target, contestants = targets.load(settings.target), lineup(settings)
    dataset = scan(settings.data, seed=settings.seed, strict=settings.strict, progress=progress)
    images = validated_images(dataset, settings.seed)
    _report_alike(images, progress)
    final_s = min(FINAL_S, FINAL_SHARE * settings.time_budget_s)
    tried: dict[str, Tried] = {}
    setbacks: dict[str, str] = {}
    interrupted = False
    with Anchored(settings.worker, target, settings.seed) as anchored:
        try:
            for done, contestant in enumerate(contestants):
                progress.step(STEP, done, len(contestants))
                # Some answer is worth more than none at the promised moment.
                end = start + settings.time_budget_s - final_s if tried else float("inf")
                try:
                    tried[contestant.name] = _try(contestant, dataset, images, settings, anchored, Until(progress, end))
                except OutOfTimeError:
                    break
                except (WeightsError, WorkerError, ExportError) as error:
                    setbacks[contestant.name] = _setback(error, contestant, anchored)
            tried |= _final(tried, anchored, final_s)
        except KeyboardInterrupt:
            if not tried:
                raise
            interrupted = True
        _require_some(tried, setbacks)
        progress.step(STEP, len(contestants), len(contestants))
        machine, anchor_ns = dict(anchored.machine), anchored.p50_ns.value
    is_target = targets.matches(target, machine)
    if not is_target:
        progress.remark(f"This machine is no {target.name}: the latency shown is that of {machine['cpu']}.")
    return RankResult(
        data=dataset.root,
        target=target.name,
        provider=target.candidates[0].provider,
        precision=target.candidates[0].precision,
        is_target=is_target,
        recommended=recommended(tried.values()).contestant.name,
        rows=_rows(contestants, tried, setbacks, anchor_ns, interrupted),
        machine=machine,
        interrupted=interrupted,
        seconds=time.monotonic() - start,
    )


def _report_alike(images: Sequence[ImageRef], progress: Progress) -> None:
    """Say on how many pictures intervals rest, where it is fewer than there are images."""
    groups = len({image.group for image in images})
    if groups < len(images):
        progress.remark(
            f"Of the {len(images)} images for cross-validation, near-identical ones ({groups} groups) are held out "
            "together, and intervals count a group as one image."
        )


def _try(
    contestant: Contestant,
    dataset: Dataset,
    images: Sequence[ImageRef],
    settings: RankSettings,
    anchored: Anchored,
    progress: Progress,
) -> Tried:
    """Return what was measured of one backbone; raises what keeps it from being measured."""
    unseen, path = _validated(contestant, dataset, images, settings.seed, progress)
    model = Model(contestant.name, path, contestant.backbone.preprocess.crop)
    ratio = anchored.race([model], min(ALONE_S, settings.time_budget_s))[model.name]
    progress.remark(f"{model.name}: {unseen.accuracy:.1%}, {anchored.p50_ns.value * ratio.value / MS:.2f} ms")
    return Tried(contestant, model, unseen.images, unseen.right, unseen.independent, ratio)


def _validated(
    contestant: Contestant, dataset: Dataset, images: Sequence[ImageRef], seed: int, progress: Progress
) -> tuple[CrossValidated, Path]:
    """Return what probes on the backbone say of images that they were not fitted to, and its file."""
    from edgetl.training.features import frozen
    from edgetl.training.heads import probe

    backbone = contestant.backbone
    source = weights.load(contestant.weights, backbone, seed=seed, progress=progress)
    if not source.sha256:
        source = frozen.settled(source, backbone, dataset, seed)
    features = frozen.extract(source, backbone, dataset, images, progress)
    labels, groups = np.asarray(dataset.labels(images)), np.asarray(dataset.groups(images))
    unseen = probe.fit(features, labels, len(dataset.classes), seed, progress, groups=groups).cross_validated
    assert unseen is not None, "every class has images enough"
    return unseen, _exported(source, backbone)


def _exported(source: weights.Weights, backbone: Backbone) -> Path:
    """Return the backbone as an ONNX file from images to features."""
    from edgetl.graph.from_torch import export_module
    from edgetl.training.features import frozen

    path = frozen.source(source, backbone).onnx
    # An engine that computed the features left it behind; torch did not.
    if not path.is_file():
        model = export_module(weights.attach(source, backbone), backbone.preprocess)
        with replacing(path) as temporary:
            temporary.write_bytes(model.SerializeToString(deterministic=True))
    return path


def _final(tried: Mapping[str, Tried], anchored: Anchored, seconds: float) -> dict[str, Tried]:
    """Return those that may be on the front, timed again side by side; none where that fails or there is only one."""
    finalists = contenders(tried.values())[:FINALISTS]
    if len(finalists) < 2:
        return {}
    try:
        ratios = anchored.race([each.model for each in finalists], seconds)
    except WorkerError:
        return {}
    return {each.model.name: replace(each, ratio=ratios[each.model.name]) for each in finalists}


def _setback(error: Exception, contestant: Contestant, anchored: Anchored) -> str:
    """Return why a backbone is unavailable, in one sentence; raises what concerns all of them or what the user named.

    What to do about it is said once for all backbones.
    """
    sentence = f"{str(error).partition('. ')[0].rstrip('.')}."
    if isinstance(error, WeightsError) and contestant.named:
        raise error
    if isinstance(error, WorkerError) and error.kind == "ProviderUnavailable" and not anchored.machine:
        raise MeasureError(f"{sentence} Choose a --target whose first provider runs here.") from error
    return sentence


def _require_some(tried: Mapping[str, Tried], setbacks: Mapping[str, str]) -> None:
    if not tried:
        raise MeasureError(
            f"No backbone could be ranked. {next(iter(setbacks.values()))} Name weights that are on this machine, with "
            "--weights ARCH=FILE for each backbone; or --weights none, which compares latency only."
        )


def _rows(
    contestants: Sequence[Contestant],
    tried: Mapping[str, Tried],
    setbacks: Mapping[str, str],
    anchor_ns: float,
    interrupted: bool,
) -> tuple[RankRow, ...]:
    on_front = {each.contestant.name for each in front(tried.values())}
    measured = sorted(tried.values(), key=lambda each: each.ratio.value)
    rows = [_measured(each, anchor_ns / MS, each.contestant.name in on_front) for each in measured]
    late = "Interrupted before it was tried." if interrupted else "The time budget ended before it was tried."
    for contestant in contestants:
        if contestant.name in setbacks:
            rows.append(_row(contestant, status="unavailable", reason=setbacks[contestant.name]))
        elif contestant.name not in tried:
            rows.append(_row(contestant, status="not tried", reason=late))
    return tuple(rows)


def _measured(tried: Tried, anchor_ms: float, on_front: bool) -> RankRow:
    ratio = tried.ratio
    return _row(
        tried.contestant,
        status="measured",
        reason="On the front." if on_front else "Another is at least as accurate and faster.",
        accuracy=tried.accuracy,
        accuracy_ci=tried.interval,
        images=tried.images,
        latency_p50_ms=anchor_ms * ratio.value,
        latency_ci_ms=(anchor_ms * ratio.low, anchor_ms * ratio.high),
        pareto=on_front,
    )


def _row(contestant: Contestant, **measured: Any) -> RankRow:
    backbone = contestant.backbone
    return RankRow(
        arch=backbone.name, weights=contestant.weights, params=backbone.params, macs=backbone.macs, **measured
    )
