"""The images of the verdict: none that edgetl was given, or (photos) that it calibrated on or chose by."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.quantization import networks
from benchmarks.quantization.models import Case
from benchmarks.transfer.whole import SHARED
from edgetl.dataset import Dataset, judging_images
from edgetl.device.values import Preprocess
from edgetl.graph import metadata
from edgetl.progress import Silent
from edgetl.spool import spooled

INSECTS = SHARED / "datasets" / "hymenoptera"
IMAGENETS = {"ants": 310, "bees": 309}
"""ImageNet's numbers of the classes of `INSECTS`, photos that edgetl never sees here."""
VIEWS = 10
"""The four corners of a photo and its centre, and all of these mirrored: the "ten crops" of Krizhevsky et al. (2012).

Of 583 photos int8 answers 13 otherwise than fp32, and whether it loses or wins those is luck.
"""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Images:
    """The images of the verdict as a network's uint8 input, and their classes; so many ``views`` of each in a row."""

    pixels: Pixels
    labels: tuple[int, ...]
    views: int = 1


def in_words(case: Case) -> str:
    """Return which images judge ``case``, in words."""
    return f"all photos, {VIEWS} views of each" if case.photos else f"{case.verdict} drawn images"


@contextlib.contextmanager
def images_of(case: Case, run: Path, folder: Path) -> Iterator[Images]:
    """Yield the images of the verdict on ``run``, the run of ``case``, in an order that mixes the classes."""
    with _photos(run) if case.photos else drawn(run, folder, case.verdict, networks.JUDGED_ON) as images:
        yield images


@contextlib.contextmanager
def drawn(run: Path, folder: Path, count: int, seed: int) -> Iterator[Images]:
    """Yield about ``count`` demo images of ``seed`` for the model of ``run``, in an order that mixes the classes."""
    facts = metadata.read(run / "model.onnx")
    paths = sorted(networks.drawn_images(folder, count, seed).glob("*/*"))
    paths, labels = _mixed(paths, [facts.classes.index(path.parent.name) for path in paths])
    with spooled(paths, facts.preprocess, Silent()) as pixels:
        yield Images(pixels, labels)


@contextlib.contextmanager
def _photos(run: Path) -> Iterator[Images]:
    preprocess = metadata.read(run / "model.onnx").preprocess
    dataset = Dataset.load(run)
    images = judging_images(dataset)
    insects = sorted(INSECTS.glob("*/*/*.jpg"))
    numbers = (*dataset.labels(images), *(IMAGENETS[path.parent.name] for path in insects))
    paths, labels = _mixed((*dataset.paths(images), *insects), numbers)
    with spooled(paths, replace(preprocess, crop=preprocess.resize), Silent()) as pixels:
        yield Images(_crops(pixels, preprocess), tuple(np.repeat(labels, VIEWS).tolist()), VIEWS)


def _mixed(paths: Sequence[Path], labels: Sequence[int]) -> tuple[list[Path], tuple[int, ...]]:
    order = np.random.default_rng(0).permutation(len(paths))
    return [paths[place] for place in order], tuple(labels[place] for place in order)


def _crops(pixels: Pixels, preprocess: Preprocess) -> Pixels:
    """Return the ten views of each of ``pixels`` (n, resize, resize, 3) in a row, (10 n, crop, crop, 3)."""
    side, far = preprocess.crop, preprocess.resize - preprocess.crop
    corners = [(0, 0), (0, far), (far, 0), (far, far), (far // 2, far // 2)]
    views = [pixels[:, top : top + side, left : left + side] for top, left in corners]
    both = [*views, *(each[:, :, ::-1] for each in views)]
    return np.stack(both, axis=1).reshape(-1, side, side, 3)
