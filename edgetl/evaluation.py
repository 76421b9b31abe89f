"""What a person looks at after a training: which classes fail, which are confused, which images, what a probability
is worth."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgetl import probabilities
from edgetl.artifacts import Artifact, Interval, Value
from edgetl.errors import RunError, UsageError
from edgetl.measure.statistics import wilson
from edgetl.probabilities import Floats, Judged, Labels, Logits

MOST_MISTAKES = 20
# Sums of fractions in another order differ by less.
ROUNDING = 1e-9


class ClassFigures(Value):
    """How one class fares. ``right`` of its ``images`` are predicted as it; in all ``predicted`` images are.

    ``recall`` is right / images with its Wilson interval, ``precision`` right / predicted; None where that is of none.
    """

    name: str
    images: int
    right: int
    predicted: int
    recall: float | None
    recall_ci: Interval | None
    precision: float | None


class Confusion(Value):
    """So many ``images`` of the class ``label`` are ``predicted`` as another."""

    label: str
    predicted: str
    images: int


class Mistake(Value):
    """An image and the wrong class that it is predicted as, with this probability."""

    path: str
    label: str
    predicted: str
    probability: float


class Bin(Value):
    """The images whose confidence is above ``low`` and up to ``high``: their mean confidence and their accuracy."""

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


class Calibration(Value):
    """Whether probabilities can be believed; all fractions except ``log_loss`` (nats) and ``brier`` (0 to 2).

    ``confidence`` is the mean probability of the predicted class. ``ece`` is biased upward on few images; a perfectly
    calibrated model of the same confidences has ``ece_by_chance`` on average and, 19 times in 20, at most
    ``ece_limit``. ``bins`` are those with images.
    """

    confidence: float
    ece: float
    ece_by_chance: float
    ece_limit: float
    log_loss: float
    brier: float
    bins: tuple[Bin, ...]

    @property
    def off(self) -> bool:
        """Whether the probabilities are wrong by more than chance."""
        return self.ece > self.ece_limit + ROUNDING


class Evaluation(Artifact):
    """A classifier on the images of one split; ``parent_sha256`` is the classifier's file.

    The confusion matrix is the ``right`` of each class and the ``confusions``, all of them, largest first.
    ``mistakes`` are the most confident ones, at most `MOST_MISTAKES`. ``temperature`` was fitted on the images that
    ``temperature_from`` names, and ``scaled`` is the calibration with logits divided by it. Where those are the very
    images judged here, ``cross_fitted`` is true: each half of them was then judged with the temperature of the other.
    ``log_loss_saved`` is by how much scaling lowers an image's log-loss, on average with its 95 % interval.
    """

    FILE: ClassVar[str] = "evaluation.json"

    parent_sha256: str
    split: str
    images: int
    accuracy: float
    accuracy_ci: Interval
    balanced_accuracy: float
    classes: tuple[ClassFigures, ...]
    confusions: tuple[Confusion, ...]
    mistakes: tuple[Mistake, ...]
    calibration: Calibration
    temperature: float
    temperature_from: str
    cross_fitted: bool
    scaled: Calibration
    log_loss_saved: float
    log_loss_saved_ci: Interval

    @property
    def temperature_helps(self) -> bool:
        """Whether probabilities are off, and better after scaling, both by more than chance."""
        return self.calibration.off and self.log_loss_saved_ci[0] > 0 and self.scaled.ece < self.calibration.ece

    @classmethod
    def load(cls, folder: Path) -> Evaluation:
        """Return the evaluation stored in ``folder``; raises RunError when it is missing, newer or damaged."""
        if not (folder / cls.FILE).is_file():
            raise RunError(f"{folder} has no {cls.FILE}. Run `edgetl finetune` again; it writes one.")
        return super().load(folder)


@dataclass(frozen=True)
class HeldOut:
    """Logits of images that trained nothing and are not judged here, to fit a temperature on; ``what`` they are."""

    logits: Logits
    labels: Labels
    what: str


@dataclass(frozen=True)
class Lineage:
    """What an evaluation belongs to: its run, the hash of all that decided it, the classifier's SHA-256."""

    run: str
    inputs: str
    parent_sha256: str


def evaluate(
    logits: Logits,
    labels: Sequence[int],
    classes: Sequence[str],
    paths: Sequence[str],
    *,
    split: str,
    lineage: Lineage,
    held_out: HeldOut | None = None,
    seed: int = 0,
) -> Evaluation:
    """Return how a classifier with these ``logits`` (images, classes) does; ``paths`` name the images.

    The temperature is fitted on ``held_out`` where it is given, else on these images. Raises UsageError for logits that
    are not finite, ValueError for no images.
    """
    start = time.perf_counter()
    truth = np.asarray(labels, np.int64)
    if not np.all(np.isfinite(logits)):
        raise UsageError("The trained network gives logits that are not finite. Train with a smaller learning rate.")
    judged = probabilities.judge(logits, truth)
    if held_out is None:
        temperature, temperature_from = probabilities.fit_temperature(logits, truth), split
        scaled = probabilities.judge(logits, truth, probabilities.cross_fitted(logits, truth, seed))
    else:
        temperature, temperature_from = probabilities.fit_temperature(held_out.logits, held_out.labels), held_out.what
        scaled = probabilities.judge(logits, truth, temperature)
    matrix = _matrix(truth, judged.predicted, len(classes))
    figures = _by_class(matrix, classes)
    saved = judged.log_loss - scaled.log_loss
    right = int(np.trace(matrix))
    return Evaluation(
        run=lineage.run,
        inputs=lineage.inputs,
        seconds=time.perf_counter() - start,
        parent_sha256=lineage.parent_sha256,
        split=split,
        images=len(truth),
        accuracy=right / len(truth),
        accuracy_ci=wilson(right, len(truth)),
        balanced_accuracy=float(np.mean([each.recall for each in figures if each.recall is not None])),
        classes=figures,
        confusions=_confusions(matrix, classes),
        mistakes=_mistakes(judged, truth, classes, paths),
        calibration=_calibration(judged, truth, seed),
        temperature=temperature,
        temperature_from=temperature_from,
        cross_fitted=held_out is None,
        scaled=_calibration(scaled, truth, seed),
        log_loss_saved=float(saved.mean()),
        log_loss_saved_ci=_mean_interval(saved),
    )


def _mean_interval(values: Floats) -> Interval:
    """Return the 95 % interval of a mean, by the central limit theorem."""
    half = 1.96 * float(values.std()) / len(values) ** 0.5
    return float(values.mean()) - half, float(values.mean()) + half


def _matrix(truth: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """Return counts (true class, predicted class)."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def _by_class(matrix: NDArray[np.int64], classes: Sequence[str]) -> tuple[ClassFigures, ...]:
    figures = []
    for index, name in enumerate(classes):
        images, right, predicted = int(matrix[index].sum()), int(matrix[index, index]), int(matrix[:, index].sum())
        figures.append(
            ClassFigures(
                name=name,
                images=images,
                right=right,
                predicted=predicted,
                recall=right / images if images else None,
                recall_ci=wilson(right, images) if images else None,
                precision=right / predicted if predicted else None,
            )
        )
    return tuple(figures)


def _confusions(matrix: NDArray[np.int64], classes: Sequence[str]) -> tuple[Confusion, ...]:
    wrong = matrix - np.diag(np.diag(matrix))
    pairs = np.argwhere(wrong)
    order = np.argsort(-wrong[pairs[:, 0], pairs[:, 1]], kind="stable")
    return tuple(
        Confusion(label=classes[true], predicted=classes[said], images=int(wrong[true, said]))
        for true, said in pairs[order]
    )


def _mistakes(judged: Judged, truth: Labels, classes: Sequence[str], paths: Sequence[str]) -> tuple[Mistake, ...]:
    wrong = np.flatnonzero(judged.predicted != truth)
    order = wrong[np.argsort(-judged.confidence[wrong], kind="stable")][:MOST_MISTAKES]
    return tuple(
        Mistake(
            path=paths[index],
            label=classes[truth[index]],
            predicted=classes[judged.predicted[index]],
            probability=float(judged.confidence[index]),
        )
        for index in order
    )


def _calibration(judged: Judged, truth: Labels, seed: int) -> Calibration:
    right = judged.predicted == truth
    chance, limit = probabilities.by_chance(judged.confidence, seed)
    member = probabilities.bins(judged.confidence)
    bins = tuple(
        Bin(
            low=float(index / probabilities.BINS),
            high=float((index + 1) / probabilities.BINS),
            images=int(np.sum(member == index)),
            confidence=float(judged.confidence[member == index].mean()),
            accuracy=float(right[member == index].mean()),
        )
        for index in np.unique(member)
    )
    return Calibration(
        confidence=float(judged.confidence.mean()),
        ece=probabilities.expected_calibration_error(judged.confidence, right),
        ece_by_chance=chance,
        ece_limit=limit,
        log_loss=float(judged.log_loss.mean()),
        brier=float(judged.brier.mean()),
        bins=bins,
    )
