"""Thumbnails of the images that a report shows, few and small."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageOps

from edgetl.artifacts import CheckResult
from edgetl.dataset import Dataset
from edgetl.dataset.values import SPLITS, ImageRef
from edgetl.evaluation import Evaluation
from edgetl.files import sha256_file
from edgetl.gather.values import Photo
from edgetl.progress import Progress

FLIPS, MISTAKES = 12, 12
# Twice the width on the page, for screens of high resolution.
SIDE, QUALITY = 240, 72


def photos(
    dataset: Dataset | None, check: CheckResult | None, evaluation: Evaluation | None, progress: Progress
) -> dict[str, Photo]:
    """Return a thumbnail by path for the first flips and mistakes, or why there is none."""
    flips = check.accuracy.flips[:FLIPS] if check else ()
    mistakes = evaluation.mistakes[:MISTAKES] if evaluation else ()
    paths = dict.fromkeys((*(each.path for each in flips), *(each.path for each in mistakes)))
    known = _by_path(dataset)
    found = {}
    for done, path in enumerate(paths, 1):
        found[path] = _photo(dataset, known.get(path))
        progress.step("thumbnails", done, len(paths))
    return found


def _by_path(dataset: Dataset | None) -> dict[str, ImageRef]:
    if dataset is None:
        return {}
    images = (image for split in SPLITS for image in dataset.split(split))
    return {image.path: image for image in (*images, *dataset.domain_check)}


def _photo(dataset: Dataset | None, image: ImageRef | None) -> Photo:
    if dataset is None or image is None:
        return Photo(None, "It is none of the run's images.")
    (path,) = dataset.paths([image])
    if not path.is_file():
        return Photo(None, "The file is gone.")
    if sha256_file(path) != image.sha256:
        return Photo(None, "The file was changed since.")
    return _thumbnail(path)


def _thumbnail(path: Path) -> Photo:
    try:
        with Image.open(path) as opened:
            # For JPEG: decodes no more than is shown.
            opened.draft("RGB", (2 * SIDE, 2 * SIDE))
            turned = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Photo(None, "The file cannot be read.")
    turned.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    turned.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return Photo(buffer.getvalue())
