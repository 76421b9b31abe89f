"""What each contestant answers on the images of the verdict, against ONNX Runtime fp32."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from benchmarks.quantization.contestant import Contestant
from benchmarks.quantization.images import Images, Pixels
from edgetl.environments.local import local_command
from edgetl.errors import WorkerError
from edgetl.measure.accuracy import PairedAccuracy, Predictions, paired, predictions
from edgetl.measure.loading import load
from edgetl.measure.worker import Worker
from edgetl.quantization.search.contest import same_logits

ALL_CORES = 0
RESAMPLED = 4000

Logits = NDArray[np.float32]


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
        accuracy = compared(self.images, predictions(self._expected), predictions(actual))
        other = contestant.precision == "fp32" and not same_logits(self._expected, actual)
        return Judged(contestant, accuracy, predictions(actual), "its fp32 logits are others" if other else "")


def compared(images: Images, before: Predictions, after: Predictions) -> PairedAccuracy:
    """Return the paired comparison of two contestants' answers.

    Views of one image resemble one another: where it has several, the interval is that of the images' mean drops, by
    the bootstrap.
    """
    accuracy = paired(images.labels, before, after)
    if images.views == 1:
        return accuracy
    labels = np.asarray(images.labels)
    lost = (before == labels).astype(float) - (after == labels)
    interval = bootstrap(
        (lost.reshape(-1, images.views).mean(axis=1),),
        np.mean,
        n_resamples=RESAMPLED,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return replace(accuracy, drop_ci=(float(interval.low), float(interval.high)))


def _logits(contestant: Contestant, pixels: Pixels) -> Logits:
    with Worker(local_command()) as worker:
        load(worker, contestant.path, contestant.provider, contestant.precision, ALL_CORES)
        return worker.logits(pixels)
