"""The images that a foreign model is calibrated, chosen and judged by, dealt to their roles."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgetl.dataset.find import Images
from edgetl.dataset.values import SPLITS, ImageRef, Split
from edgetl.errors import DataError

MIN_IMAGES = 12
# More calibrate no better, and every one is missed where a verdict is given.
MAX_CALIBRATION, MIN_CALIBRATION = 512, 8
CALIBRATION_SHARE = 0.25


def require_enough(found: Images, place: Path) -> None:
    """Raise DataError where ``place`` has fewer pictures than three roles take."""
    contents = len({image.sha256 for image in found.images})
    if contents < MIN_IMAGES:
        raise DataError(
            f"{place} has {contents} different usable images; {MIN_IMAGES} are the least to calibrate on, to choose "
            "by and to judge by. Add some: a few hundred make a verdict possible."
        )


def deal(images: Sequence[ImageRef], given: Sequence[Split | None], seed: int) -> Mapping[Split, tuple[ImageRef, ...]]:
    """Return ``images`` as train (to calibrate on), val (to choose by) and test (to judge by), copies on one side.

    Splits that the user ``given`` hold, with only so many of train as are used. Otherwise a quarter is train, 512 at
    most, and the rest is halved; each class has its share of each as far as it has images.
    """
    pictures = _pictures(images)
    # A copy goes where the images are that judge.
    held = {name: {image.sha256 for image, at in zip(images, given, strict=True) if at == name} for name in SPLITS}
    test = held["test"]
    val = held["val"] - test
    train = held["train"] - val - test
    if not train or not (val or test):
        order = _by_class(pictures, seed)
        # Less than a quarter of few would be too few: then up to half.
        few = min(MIN_CALIBRATION, len(order) // 2)
        train_order, rest = _spread(order, min(MAX_CALIBRATION, max(few, int(CALIBRATION_SHARE * len(order)))))
        return _parts(pictures, train_order, rest[::2], rest[1::2])
    train_order, _ = _spread(_by_class({sha: pictures[sha] for sha in pictures if sha in train}, seed), MAX_CALIBRATION)
    if val and test:
        return _parts(pictures, train_order, sorted(val), sorted(test))
    rest = _by_class({sha: pictures[sha] for sha in pictures if sha in val | test}, seed)
    return _parts(pictures, train_order, rest[::2], rest[1::2])


def _pictures(images: Sequence[ImageRef]) -> dict[str, list[ImageRef]]:
    """Return the images of each content."""
    pictures: dict[str, list[ImageRef]] = defaultdict(list)
    for image in sorted(images, key=lambda each: each.path):
        pictures[image.sha256].append(image)
    return pictures


def _by_class(pictures: Mapping[str, Sequence[ImageRef]], seed: int) -> list[str]:
    """Return the contents in a random order in which those of a class follow one another."""
    by_class: dict[str, list[str]] = defaultdict(list)
    for sha256 in sorted(pictures):
        by_class[pictures[sha256][0].label].append(sha256)
    chance = random.Random(f"{seed}/adopt")  # noqa: S311 - a split, not a secret
    labels = sorted(by_class)
    chance.shuffle(labels)
    for label in labels:
        chance.shuffle(by_class[label])
    return [sha256 for label in labels for sha256 in by_class[label]]


def _spread(order: Sequence[str], count: int) -> tuple[list[str], list[str]]:
    """Return ``count`` of ``order`` at even distances, which gives each class its share, and the others."""
    count = min(count, len(order))
    places = {index * len(order) // count for index in range(count)}
    return [order[place] for place in sorted(places)], [sha for place, sha in enumerate(order) if place not in places]


def _parts(
    pictures: Mapping[str, Sequence[ImageRef]], train: Sequence[str], val: Sequence[str], test: Sequence[str]
) -> Mapping[Split, tuple[ImageRef, ...]]:
    parts: dict[Split, Sequence[str]] = {"train": train, "val": val, "test": test}
    return {
        name: tuple(
            sorted((image for sha in part for image in pictures[sha]), key=lambda image: (image.label, image.path))
        )
        for name, part in parts.items()
    }
