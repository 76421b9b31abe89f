"""Golden images: some of those that the verdict was given on, with the answers that a device has to repeat."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgetl.dataset import Dataset, sample_to_judge
from edgetl.device.bundle.manifest import Golden
from edgetl.device.bundle.signal import MARGIN_DB, sqnr_db
from edgetl.device.preprocess import ImageError, load_image
from edgetl.device.values import Preprocess, SessionSpec
from edgetl.environments import worker_for
from edgetl.errors import DataError, MeasureError
from edgetl.measure.loading import load
from edgetl.measure.worker import Worker

EXPECTED, REFERENCE = "golden/expected.npy", "golden/reference.npy"
# Good enough that decoding again moves a pixel by a grey level or two; four times smaller than without loss.
_QUALITY = 92
# Engines agree on fp32 to 90 dB and more; what computes the same in half the bits has at least these.
_CLEAN_DB = {"fp32": 50.0, "fp16": 35.0}


@dataclass(frozen=True)
class Model:
    """A model file and how it is run."""

    path: Path
    spec: SessionSpec


@dataclass(frozen=True)
class Kept:
    """What of golden images is put into a bundle: ``contents`` by member name, and what the manifest says of them.

    ``own_db`` is the signal to noise ratio of this model's logits against fp32, where the bundle was made.
    """

    golden: Golden
    contents: dict[str, bytes]
    own_db: float


def keep(
    dataset: Dataset,
    preprocess: Preprocess,
    models: tuple[Model, Model],
    command: Sequence[str],
    count: int,
    drop: float,
) -> Kept:
    """Return up to ``count`` golden images, the classes in turn, with what both ``models`` (fp32, shipped) say to them.

    ``drop`` is the top-1 that may be lost, a fraction. Raises MeasureError where a model cannot run on the worker that
    ``command`` starts, DataError for images that cannot be read any more.
    """
    images = sample_to_judge(dataset, count)
    encoded = [_encoded(path, preprocess) for path in dataset.paths(images)]
    pixels = np.stack([load_image(each, preprocess) for each in encoded])
    reference, expected = (_logits(model, pixels, command) for model in models)
    names = tuple(f"golden/{index:04}.jpg" for index in range(len(encoded)))
    labels = tuple(dataset.labels(images)) if dataset.labelled_by == "people" else None
    own = sqnr_db(expected, reference)
    golden = Golden(
        images=names,
        labels=labels,
        expected=EXPECTED,
        reference=REFERENCE,
        least_sqnr_db=round(min(own - MARGIN_DB, _CLEAN_DB.get(models[1].spec.precision, math.inf)), 1),
        lost=max(1, math.ceil(drop * len(images))),
    )
    arrays = {EXPECTED: _npy(expected), REFERENCE: _npy(reference)}
    return Kept(golden, {**dict(zip(names, encoded, strict=True)), **arrays}, own)


def _encoded(path: Path, preprocess: Preprocess) -> bytes:
    """Return what a model sees of an image and a little around it, as a JPEG that is then only cropped."""
    try:
        pixels = load_image(path, replace(preprocess, crop=preprocess.resize))
    except ImageError as error:
        raise DataError(f"{path} cannot be put into the bundle: {error}.") from None
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY, subsampling=0)
    return file.getvalue()


def _logits(model: Model, pixels: NDArray[np.uint8], command: Sequence[str]) -> NDArray[np.float32]:
    with Worker(worker_for(command, model.spec.provider)) as worker:
        spec = model.spec
        load(worker, model.path, spec.provider, spec.precision, spec.threads, spec.options, pinned=False)
        logits = worker.logits(pixels)
    if not np.isfinite(logits).all():
        raise MeasureError(f"{model.path} answers with what is no number (NaN or infinite). It cannot be shipped.")
    return logits


def _npy(array: NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array, dtype="<f4"), allow_pickle=False)
    return file.getvalue()
