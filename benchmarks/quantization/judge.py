"""What each contestant answers on the images of the verdict, against ONNX Runtime fp32."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.quantization import networks
from benchmarks.quantization.contestant import Contestant
from benchmarks.quantization.models import Case
from benchmarks.transfer.whole import SHARED
from edgetl.dataset import Dataset, judging_images
from edgetl.environments.local import local_command
from edgetl.errors import WorkerError
from edgetl.graph import metadata
from edgetl.measure.accuracy import PairedAccuracy, Predictions, paired, predictions
from edgetl.measure.loading import load
from edgetl.measure.worker import Worker
from edgetl.progress import Silent
from edgetl.quantization.search.contest import same_logits
from edgetl.spool import spooled

INSECTS = SHARED / "datasets" / "hymenoptera"
IMAGENETS = {"ants": 310, "bees": 309}
"""ImageNet's numbers of its classes. With them a photo is a sixth of a point instead of half of one."""
ALL_CORES = 0

Pixels = NDArray[np.uint8]
Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Images:
    """The images of the verdict as a network's uint8 input, and their classes."""

    pixels: Pixels
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Judged:
    """A contestant's ``answers`` (class indices) against the baseline's.

    ``failure`` says why there are none, or why it is out.
    """

    contestant: Contestant
    accuracy: PairedAccuracy | None = None
    answers: Predictions | None = None
    failure: str = ""

    def keeps(self, allowed: float) -> bool:
        """Return whether it runs, and loses no more than ``allowed`` of top-1 as seen."""
        return not self.failure and self.accuracy is not None and self.accuracy.drop <= allowed + 1e-9


@contextlib.contextmanager
def images_of(case: Case, run: Path, folder: Path) -> Iterator[Images]:
    """Yield the images of the verdict on ``run``, the run of ``case``, in an order that mixes the classes.

    edgetl was given none of them, or (photos) neither calibrated on them nor chose by them.
    """
    facts = metadata.read(run / "model.onnx")
    paths, labels = _photos(run) if case.photos else _drawn(folder, case.verdict, facts.classes)
    mixed = np.random.default_rng(0).permutation(len(paths))
    with spooled([paths[place] for place in mixed], facts.preprocess, Silent()) as pixels:
        yield Images(pixels, tuple(labels[place] for place in mixed))


def _photos(run: Path) -> tuple[Sequence[Path], Sequence[int]]:
    dataset = Dataset.load(run)
    images = judging_images(dataset)
    insects = sorted(INSECTS.glob("*/*/*.jpg"))
    labels = (*dataset.labels(images), *(IMAGENETS[path.parent.name] for path in insects))
    return (*dataset.paths(images), *insects), labels


def _drawn(folder: Path, count: int, classes: Sequence[str]) -> tuple[Sequence[Path], Sequence[int]]:
    paths = sorted(networks.judging_images(folder, count).glob("*/*"))
    return paths, [classes.index(path.parent.name) for path in paths]


class Judge:
    """Compares contestants with ``baseline`` on ``images``; the baseline's logits are computed once."""

    def __init__(self, baseline: Contestant, images: Images) -> None:
        self.images = images
        self._expected = _logits(baseline, images.pixels)

    def judged(self, contestant: Contestant) -> Judged:
        """Return ``contestant`` judged. In fp32 it is out with other logits than the baseline's."""
        try:
            actual = _logits(contestant, self.images.pixels)
        except WorkerError as error:
            return Judged(contestant, failure=str(error).splitlines()[0])
        accuracy = paired(self.images.labels, predictions(self._expected), predictions(actual))
        other = contestant.precision == "fp32" and not same_logits(self._expected, actual)
        return Judged(contestant, accuracy, predictions(actual), "its fp32 logits are others" if other else "")


def _logits(contestant: Contestant, pixels: Pixels) -> Logits:
    with Worker(local_command()) as worker:
        load(worker, contestant.path, contestant.provider, contestant.precision, ALL_CORES)
        return worker.logits(pixels)
