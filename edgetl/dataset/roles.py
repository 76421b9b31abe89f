"""Which images serve what, so that nothing is judged on images that it was fitted to. All roles are disjoint.

=============  =============================  =========================================
role           with a test split              without one
=============  =============================  =========================================
training       train                          train
stopping       val                            a stratified share of train
calibration    n of train, stratified         n of train (at most a third), stratified
selection      val                            what is left of train
judging        test                           val
=============  =============================  =========================================

After an adaptation to another domain, its unlabelled images calibrate and its labelled ones, where there are any,
judge: the model meets such images, and its ranges are theirs.

*Stopping* decides when a training by gradients ends and which strategy validates best; a share of the training images
that serves it is not fitted to. *Calibration* sets the ranges of a quantized model, *selection* chooses among
candidates, *judging* gives the verdict. Images with the content of a judging image (a leak) serve nothing but judging.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable

from edgetl.dataset.splits import split
from edgetl.dataset.values import Dataset, ImageRef
from edgetl.errors import DataError


def fitting_images(dataset: Dataset) -> tuple[ImageRef, ...]:
    """Return the images that a head or a network may be fitted to where nothing stops it: none that is judged by.

    Raises DataError for a class that has no others.
    """
    return _remaining(dataset, _contents(judging_images(dataset)), "judged by")


def stopping_images(dataset: Dataset, seed: int) -> tuple[tuple[ImageRef, ...], tuple[ImageRef, ...]]:
    """Return the images to fit to and those to stop by, disjoint; none of them is judged by later.

    A class of one picture is only fitted to. Raises DataError for a class that has no image to be fitted to.
    """
    fitting = fitting_images(dataset)
    if dataset.test:
        stopping = tuple(_without_judged(dataset, dataset.val))
        held = _contents(stopping) | _contents(judging_images(dataset))
        return _remaining(dataset, held, "validated on or judged by"), stopping
    parts = split(fitting, seed, test=False)
    return tuple(parts["train"]), tuple(parts["val"])


def calibration_images(dataset: Dataset, n: int, seed: int) -> tuple[ImageRef, ...]:
    """Return up to ``n`` images, the classes in turn so that each has its share; the same for a seed."""
    pool = _without_judged(dataset, dataset.domain or dataset.train)
    limit = n if dataset.test or dataset.domain else min(n, len(pool) // 3)
    return tuple(_in_turn(pool, seed)[:limit])


def selection_images(dataset: Dataset, n: int, seed: int) -> tuple[ImageRef, ...]:
    """Return the images to choose candidates by, each class spread evenly: the first are as good a sample as all.

    ``n`` and ``seed`` are those that calibration was given.
    """
    if dataset.test:
        return tuple(_evenly(_without_judged(dataset, dataset.val), seed))
    used = {image.sha256 for image in calibration_images(dataset, n, seed)}
    rest = (image for image in _without_judged(dataset, dataset.train) if image.sha256 not in used)
    return tuple(_evenly(rest, seed))


def judging_images(dataset: Dataset) -> tuple[ImageRef, ...]:
    """Return the images that a verdict is given on."""
    return dataset.domain_check or dataset.test or dataset.val


def sample_to_judge(dataset: Dataset, n: int, seed: int = 0) -> tuple[ImageRef, ...]:
    """Return up to ``n`` of the judging images, the classes in turn so that each has its share; the same for a seed."""
    return tuple(_in_turn(judging_images(dataset), seed)[:n])


def _without_judged(dataset: Dataset, images: Iterable[ImageRef]) -> list[ImageRef]:
    judged = _contents(judging_images(dataset))
    return [image for image in images if image.sha256 not in judged]


def _remaining(dataset: Dataset, held: Collection[str], what: str) -> tuple[ImageRef, ...]:
    """Return the training images whose content is not ``held``; raises DataError where a class has none."""
    remaining = tuple(image for image in dataset.train if image.sha256 not in held)
    lost = sorted({image.label for image in dataset.train} - {image.label for image in remaining})
    if lost:
        more = f" (and so it is with {len(lost) - 1} more classes)" if len(lost) > 1 else ""
        raise DataError(
            f"Every training image of '{lost[0]}' is {what} as well, so that none is left to fit to{more}. Keep each "
            "picture in one split only, or leave the other splits out: edgetl then makes them."
        )
    return remaining


def _contents(images: Iterable[ImageRef]) -> set[str]:
    return {image.sha256 for image in images}


def _in_turn(images: Iterable[ImageRef], seed: int) -> list[ImageRef]:
    """Return ``images`` shuffled, one of each class before the second of any: each has its share, also a rare one."""
    ranked = [(rank, image) for ordered in _shuffled(images, seed) for rank, image in enumerate(ordered)]
    return [image for _, image in sorted(ranked, key=lambda item: item[0])]


def _evenly(images: Iterable[ImageRef], seed: int) -> list[ImageRef]:
    """Return ``images`` shuffled, each class as frequent in any beginning as in all: accuracy there is that of all."""
    placed = [
        ((rank + 0.5) / len(ordered), image)
        for ordered in _shuffled(images, seed)
        for rank, image in enumerate(ordered)
    ]
    return [image for _, image in sorted(placed, key=lambda item: item[0])]


def _shuffled(images: Iterable[ImageRef], seed: int) -> list[list[ImageRef]]:
    """Return the images of each class in an order that ``seed`` decides, the classes by their names."""
    by_class: dict[str, list[ImageRef]] = defaultdict(list)
    for image in images:
        by_class[image.label].append(image)
    for label, own in by_class.items():
        random.Random(f"{seed}/{label}").shuffle(own)  # noqa: S311 - a sample, not a secret
    return [by_class[label] for label in sorted(by_class)]
