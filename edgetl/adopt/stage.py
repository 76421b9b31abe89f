"""The stage: a run folder with a model that edgetl did not train, and the images to quantize and to judge it by."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgetl import __version__, runs
from edgetl.adopt.images import deal, require_enough
from edgetl.artifacts import ExportResult, FinetuneResult
from edgetl.dataset.find import Images, find
from edgetl.dataset.labels import Meaning, meaning_of
from edgetl.dataset.values import Dataset, ImageRef, fingerprint
from edgetl.device.preprocess import FILTERS
from edgetl.device.values import Preprocess
from edgetl.environments.local import local_command
from edgetl.errors import ExportError, RunError, UsageError, nearest
from edgetl.exporting import FILE
from edgetl.files import replacing_together, require_place, sha256_file
from edgetl.measure.accuracy import predictions
from edgetl.measure.loading import load
from edgetl.measure.logits import difference, runner_logits
from edgetl.measure.worker import Worker
from edgetl.pixels import iter_pixels, normalized
from edgetl.progress import Progress

if TYPE_CHECKING:
    import onnx

    from edgetl.adopt.engine import Output, Reference
    from edgetl.adopt.source import Source

DEFAULT_SIDE = 224
# What torchvision's networks were trained with: the short side is resized to this many times the crop.
RESIZE_SHARE = 256 / 224
CHECKED_IMAGES = 9

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class AdoptSettings:
    """Which model to take over with which images.

    ``labels`` is a CSV of files and class indices; without it labels are what folders tell, or else the model's own.
    ``out`` is the run's folder, by default ``runs/<images>-<model>``. The others say how the model was trained to see
    images: ``mean`` and ``std`` are RGB on the 0..1 scale, ``resize`` and ``crop`` in pixels; None takes ImageNet's
    and the size that the model fixes.
    """

    model: Path
    images: Path
    labels: Path | None = None
    out: Path | None = None
    mean: Triple | None = None
    std: Triple | None = None
    resize: int | None = None
    crop: int | None = None
    interpolation: str | None = None
    seed: int = 0

    @property
    def name(self) -> str:
        """What stands for the architecture: the model file's name."""
        return re.sub(r"[^\w.-]+", "-", self.model.stem) or "model"

    @property
    def run(self) -> Path:
        """The run's folder."""
        return self.out or runs.default_folder(self.images, self.name)


def adopt(settings: AdoptSettings, progress: Progress) -> ExportResult:
    """Return the fp32 model of a run made of a foreign one, after its logits were compared with the original's.

    The run has ``model.onnx``, ``data.json`` and ``export.json`` as after an export; with the same inputs they are
    kept. Without labels that mean the model's classes, an image's label is the fp32 model's own top-1. Raises
    UsageError for a model or images that cannot be adopted, ExportError when logits differ by more than rounding.
    """
    start, folder = time.monotonic(), settings.run
    try:
        from edgetl.adopt import source as sources
        from edgetl.adopt.engine import Reference
    except ImportError as error:
        raise UsageError(
            f"Reading a model file needs onnx, onnx-ir and onnxruntime ({error}). Run: pip install 'edgetl[train,cpu]'"
        ) from None
    _require_own_folder(settings, folder)
    source = sources.look(settings.model)
    preprocess = _preprocess(settings, source)
    found = find(settings.images, progress, settings.labels)
    require_enough(found, settings.images)
    inputs = _inputs(settings, source, preprocess, found)
    if (kept := _unchanged(folder, inputs)) is not None:
        return kept
    progress.step("adopt the model", 0, 3)
    original = None if source.facts else Reference(source.path, source.batch, str(source.path))
    output = original.output(preprocess.crop) if original else None
    known = source.facts.classes if source.facts else ()
    meaning = meaning_of(found, settings.labels, known, output.classes if output else len(known))
    if meaning.remark:
        progress.remark(meaning.remark)
    with replacing_together(folder) as together:
        model = together / FILE
        gap, allowed = _write(model, settings, source, original, output, preprocess, meaning, found)
        progress.step("adopt the model", 1, 3)
        dataset = _dataset(settings, found, meaning, model, preprocess, progress)
        dataset.save(together)
        progress.step("adopt the model", 2, 3)
        result = ExportResult(
            run=str(folder),
            inputs=inputs,
            seconds=time.monotonic() - start,
            model=FILE,
            sha256=sha256_file(model),
            size_bytes=model.stat().st_size,
            opset=_opset(model),
            max_abs_diff=gap,
            tolerance=allowed,
            temperature=source.facts.temperature if source.facts else 1.0,
            parent_sha256=source.sha256,
        )
        result.save(together)
    progress.step("adopt the model", 3, 3)
    return result


def _require_own_folder(settings: AdoptSettings, folder: Path) -> None:
    """Refuse a folder whose files are someone else's: a trained run's, or the model itself."""
    require_place(folder)
    if (folder / FinetuneResult.FILE).exists():
        raise RunError(f"{folder} is the run of a training. Choose another folder with --run.")
    if (folder / FILE).exists() and not (folder / ExportResult.FILE).exists():
        raise RunError(f"{folder} holds a {FILE} that edgetl did not write. Choose another folder with --run.")
    if (folder / FILE).exists() and settings.model.exists() and (folder / FILE).samefile(settings.model):
        raise RunError(f"{settings.model} is this run's own model. Choose another folder with --run.")


def _preprocess(settings: AdoptSettings, source: Source) -> Preprocess:
    """Return how images become the model's input; raises UsageError for what contradicts the model or itself."""
    given = [name for name in ("mean", "std", "resize", "crop", "interpolation") if getattr(settings, name) is not None]
    if source.facts is not None:
        if given:
            raise UsageError(f"{source.path} says itself how it sees images. Leave out --{given[0]}.")
        return source.facts.preprocess
    default = Preprocess()
    crop = settings.crop or source.side or DEFAULT_SIDE
    if source.side and crop != source.side:
        raise UsageError(f"{source.path} takes images of {source.side} pixels, not of {crop}. Leave out --crop.")
    preprocess = Preprocess(
        resize=settings.resize or max(round(crop * RESIZE_SHARE), crop),
        crop=crop,
        interpolation=settings.interpolation or default.interpolation,
        mean=settings.mean or default.mean,
        std=settings.std or default.std,
    )
    if not 0 < preprocess.crop <= preprocess.resize:
        raise UsageError(f"A crop of {crop} pixels does not fit into images resized to {preprocess.resize}.")
    if preprocess.interpolation not in FILTERS:
        near = nearest(preprocess.interpolation, FILTERS)
        raise UsageError(f"There is no interpolation '{preprocess.interpolation}'.{near} Known: {', '.join(FILTERS)}.")
    if not all(math.isfinite(each) for each in preprocess.mean) or not all(
        math.isfinite(each) and each > 0 for each in preprocess.std
    ):
        raise UsageError("--mean and --std must be numbers, and --std above 0, on the scale from 0 to 1.")
    return preprocess


def _inputs(settings: AdoptSettings, source: Source, preprocess: Preprocess, found: Images) -> str:
    images = [
        (image.path, image.sha256, image.label, given) for image, given in zip(found.images, found.given, strict=True)
    ]
    asked = (preprocess.__dict__, settings.seed, settings.name, found.root, settings.labels is not None)
    return runs.digest(__version__, source.digest, asked, images)


def _unchanged(folder: Path, inputs: str) -> ExportResult | None:
    try:
        kept = runs.exported(folder)
        Dataset.load(folder)
    except RunError:
        return None
    return kept if kept.inputs == inputs else None


def _write(
    path: Path,
    settings: AdoptSettings,
    source: Source,
    original: Reference | None,
    output: Output | None,
    preprocess: Preprocess,
    meaning: Meaning,
    found: Images,
) -> tuple[float, float]:
    """Write the run's model to ``path``; return by how much its logits differ from the original's, and the tolerance.

    edgetl's own model is written as it is.
    """
    from edgetl.adopt.model import canonical
    from edgetl.adopt.source import weights
    from edgetl.graph import metadata
    from edgetl.graph.image_input import LAYOUT

    if original is None or output is None:
        path.write_bytes(weights(source).SerializeToString())
        return 0.0, 0.0
    model: onnx.ModelProto = canonical(source, original, output, preprocess)
    facts = metadata.ModelFacts(
        arch=settings.name,
        classes=meaning.classes,
        preprocess=preprocess,
        layout=LAYOUT,
        parent_sha256=source.sha256,
        data_sha256=runs.digest([image.sha256 for image in found.images]),
    )
    metadata.write(model, facts)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return _compare(path, source, original, output, preprocess, found)


def _compare(
    path: Path, source: Source, original: Reference, output: Output, preprocess: Preprocess, found: Images
) -> tuple[float, float]:
    """Return the largest difference of logits on photos, and the tolerance; raises ExportError where it is larger."""
    step = max(1, len(found.images) // CHECKED_IMAGES)
    paths = [Path(found.root) / image.path for image in found.images[::step][:CHECKED_IMAGES]]
    pixels = np.concatenate([each for _, each in iter_pixels(paths, preprocess)])
    expected = original.logits(normalized(pixels, preprocess), output.name)
    gap, allowed = difference(runner_logits(path, pixels), expected)
    if not gap <= allowed:
        raise ExportError(
            f"The adopted model's logits differ from those of {source.path} by {gap:.2g} (allowed are "
            f"{allowed:.2g}), so it was not written. Please report this."
        )
    return gap, allowed


def _dataset(
    settings: AdoptSettings, found: Images, meaning: Meaning, model: Path, preprocess: Preprocess, progress: Progress
) -> Dataset:
    labelled = _labelled(found, meaning, model, preprocess, progress)
    parts = deal(labelled, found.given, settings.seed)
    return Dataset(
        root=found.root,
        source=found.source,
        classes=meaning.classes,
        train=parts["train"],
        val=parts["val"],
        test=parts["test"],
        skipped=found.skipped,
        leaks=(),
        sha256=fingerprint(meaning.classes, parts.items()),
        labelled_by="people" if meaning.names is not None else "model",
    )


def _labelled(
    found: Images, meaning: Meaning, model: Path, preprocess: Preprocess, progress: Progress
) -> list[ImageRef]:
    """Return the images with the names of their classes: the user's, or those that ``model`` gives them."""
    if meaning.names is not None:
        return [image.model_copy(update={"label": meaning.names[image.label]}) for image in found.images]
    paths = [Path(found.root) / image.path for image in found.images]
    top: list[int] = []
    with Worker(local_command()) as worker:
        load(worker, model, "cpu", "fp32", 0)
        for _, pixels in iter_pixels(paths, preprocess, progress=progress, step="label the images"):
            top += predictions(worker.logits(pixels)).tolist()
    return [
        image.model_copy(update={"label": meaning.classes[index]})
        for image, index in zip(found.images, top, strict=True)
    ]


def _opset(model: Path) -> int:
    import onnx

    imports = onnx.load(model, load_external_data=False).opset_import
    return max(int(each.version) for each in imports if each.domain in ("", "ai.onnx"))
