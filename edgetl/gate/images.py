"""The images that a verdict is given on, with what they show as class indices of the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgetl.artifacts import LabelledBy
from edgetl.dataset import Dataset, judging_images
from edgetl.dataset.find import Images as Found
from edgetl.dataset.find import find
from edgetl.dataset.labels import meaning_of
from edgetl.errors import DataError, UsageError
from edgetl.gate.sides import Side
from edgetl.progress import Progress


@dataclass(frozen=True)
class Images:
    """``paths`` of the files, ``names`` as they are told, ``labels`` of them as indices of ``classes``.

    Without labels (None) the baseline's own top-1 stands for them, and what is called accuracy is agreement with it.
    """

    paths: tuple[Path, ...]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    labels: tuple[int, ...] | None

    @property
    def labelled_by(self) -> LabelledBy:
        """Whose the labels are."""
        return "model" if self.labels is None else "people"


def of_run(run: Path) -> Images:
    """Return the judging images of a run; raises RunError."""
    dataset = Dataset.load(run)
    images = judging_images(dataset)
    labels = tuple(dataset.labels(images)) if dataset.labelled_by == "people" else None
    return Images(tuple(dataset.paths(images)), tuple(image.path for image in images), dataset.classes, labels)


def of_place(place: Path, labels: Path | None, classes: Sequence[str], progress: Progress) -> Images:
    """Return the images of a folder or manifest, labelled by its folders, its manifest or the CSV ``labels``.

    Where it has splits, only those of test are taken, or of val where there is none: what was learnt from proves
    nothing. Raises DataError for labels that are no classes, or where there are no images.
    """
    found = _judging(find(place, progress, labels), place, progress)
    meaning = meaning_of(found, labels, classes, len(classes))
    labelled = sorted({image.label for image in found.images} - {""})
    if meaning.names is None and labelled:
        raise DataError(
            f"{place} labels images as '{labelled[0]}' and {len(labelled) - 1} more, which do not tell the "
            f"{len(classes)} classes of the model ('{classes[0]}' is one). Give --labels, or images without labels."
        )
    if meaning.remark:
        progress.remark(meaning.remark)
    index = {name: number for number, name in enumerate(meaning.classes)}
    shown = None if meaning.names is None else tuple(index[meaning.names[image.label]] for image in found.images)
    return Images(
        tuple(Path(found.root) / image.path for image in found.images),
        tuple(image.path for image in found.images),
        tuple(classes),
        shown,
    )


def _judging(found: Found, place: Path, progress: Progress) -> Found:
    """Return ``found`` without the images that the user gave to another split than the one that judges."""
    split = next((name for name in ("test", "val") if name in found.given), None)
    if split is None:
        if any(found.given):
            raise DataError(f"{place} has images for training only, which prove nothing. Name others to judge by.")
        return found
    kept = [image for image, given in zip(found.images, found.given, strict=True) if given == split]
    progress.remark(f"Of {place} the {len(kept)} images of the {split} split judge.")
    return replace(found, images=tuple(kept), given=(split,) * len(kept))


def order(side: Side, classes: Sequence[str]) -> list[int] | None:
    """Return which of a side's outputs stands for each of ``classes``, None where they stand in that order already.

    Raises UsageError where the two classify into different classes.
    """
    if tuple(side.classes) == tuple(classes):
        return None
    if sorted(side.classes) != sorted(classes) or len(set(classes)) != len(classes):
        extra = sorted(set(side.classes) ^ set(classes))
        named = f", such as '{extra[0]}'" if extra else ""
        raise UsageError(
            f"{side.model} has {len(side.classes)} classes and the baseline {len(classes)}, not the same ones{named}: "
            "they cannot be compared."
        )
    return [side.classes.index(name) for name in classes]
