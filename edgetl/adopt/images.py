"""The images that a foreign model is calibrated, chosen and judged by: found, looked at, and dealt to their roles."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgetl.dataset import layout as layouts
from edgetl.dataset.manifest import manifest
from edgetl.dataset.seen import Seen
from edgetl.dataset.values import SPLITS, ImageRef, Skipped, Source, Split
from edgetl.dataset.verify import look_at
from edgetl.errors import DataError
from edgetl.progress import Progress

MIN_IMAGES = 12
# More calibrate no better, and every one is missed where a verdict is given.
MAX_CALIBRATION, MIN_CALIBRATION = 512, 8
CALIBRATION_SHARE = 0.25

_NAMED = 3


@dataclass(frozen=True)
class Images:
    """The usable images below ``root`` and the split that the user gave each (None for none).

    A label is what the user's folders or lists say; empty where nobody said anything.
    """

    root: str
    source: Source
    images: tuple[ImageRef, ...]
    given: tuple[Split | None, ...]
    skipped: tuple[Skipped, ...]


def find(place: Path, progress: Progress, listed: layouts.Layout | None = None) -> Images:
    """Return the usable images at ``place``: a folder, flat or of class folders, or a manifest.

    ``listed`` are those of a file of labels, to be taken instead. What cannot be used is skipped with a remark. Raises
    DataError where there are none.
    """
    place = place.expanduser()
    if not place.exists():
        raise DataError(f"There is no folder or manifest of images {place}. Check its name.")
    layout = listed or _layout(place)
    root = os.path.abspath(place if place.is_dir() else place.parent)  # noqa: PTH100 - links stay as the user chose
    looked = look_at([item.path for item in layout.found], progress, Seen(place))
    names = [_name(item.path, root) for item in layout.found]
    skipped = tuple(
        Skipped(path=name, reason=look.reason) for name, look in zip(names, looked, strict=True) if look.reason
    )
    _report(skipped, len(names), place, progress)
    usable = [
        (ImageRef(path=name, label=item.label, sha256=look.sha256), item.split)
        for item, name, look in zip(layout.found, names, looked, strict=True)
        if not look.reason
    ]
    contents = len({image.sha256 for image, _ in usable})
    if contents < MIN_IMAGES:
        raise DataError(
            f"{place} has {contents} different usable images; {MIN_IMAGES} are the least to calibrate on, to choose "
            "by and to judge by. Add some: a few hundred make a verdict possible."
        )
    given = tuple(split for _, split in usable)
    return Images(root, layout.source, tuple(image for image, _ in usable), given, skipped)


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


def _layout(place: Path) -> layouts.Layout:
    if not place.is_dir():
        return manifest(place)
    if any(entry.is_dir() and entry.name[:1] != "." and entry.name not in layouts.IGNORED for entry in place.iterdir()):
        return layouts.folders(place)
    # Lists of labels lie among the images; they are no images that went bad.
    files = [path for path in layouts.files_below(place) if path.suffix.lower() not in (".csv", ".jsonl", ".txt")]
    return layouts.Layout("manifest", tuple(layouts.Found(path, "", None) for path in files))


def _name(path: Path, root: str) -> str:
    name = os.path.abspath(path).removeprefix(os.path.join(root, ""))  # noqa: PTH100, PTH118
    return name.replace(os.sep, "/").encode("utf-8", "replace").decode()


def _report(skipped: Sequence[Skipped], total: int, place: Path, progress: Progress) -> None:
    if skipped:
        named = "; ".join(f"{item.path} ({item.reason})" for item in skipped[:_NAMED])
        more = f"; and {len(skipped) - _NAMED} more" if len(skipped) > _NAMED else ""
        progress.remark(f"Skipped: {len(skipped)} of {total} files in {place} cannot be used: {named}{more}.")


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
