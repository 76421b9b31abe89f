"""Stratified, seeded splits where the user gave none; copies of one picture, exact or nearly so, stay together."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from edgetl.dataset.values import ImageRef, Split

VAL_SHARE = 0.15
TEST_SHARE = 0.15

# The files of one content.
Picture = list[ImageRef]


def split(images: Sequence[ImageRef], seed: int, *, test: bool) -> dict[Split, list[ImageRef]]:
    """Return ``images`` as train, val and (with ``test``) test: 70/15/15, or 85/15 without test.

    Each class is split by itself. With three pictures or more a class is in every split, with two in train and val.
    Near-identical pictures count as one there, unless all of the class are; shares are then as near as groups allow.
    """
    parts: dict[Split, list[ImageRef]] = {"train": [], "val": [], "test": []}
    by_class: dict[str, dict[str, Picture]] = defaultdict(lambda: defaultdict(list))
    for image in images:
        by_class[image.label][image.sha256].append(image)
    for label in sorted(by_class):
        pictures = sorted(by_class[label].values(), key=lambda copies: copies[0].path)
        # One stream per class, so that images added to one class do not reshuffle the others.
        random.Random(f"{seed}/{label}").shuffle(pictures)  # noqa: S311 - a split, not a secret
        for name, taken in _shared_out(pictures, test).items():
            parts[name] += [image for copies in taken for image in copies]
    return {name: sorted(part, key=lambda image: (image.label, image.path)) for name, part in parts.items()}


def _shared_out(pictures: Sequence[Picture], test: bool) -> dict[Split, list[Picture]]:
    scenes = _scenes(pictures)
    if len(scenes) == 1:
        # One scene cannot be kept in one split when two are needed; it is reported as a leak.
        scenes = [[picture] for picture in pictures]
    tests = max(1, round(TEST_SHARE * len(pictures))) if test and len(scenes) >= 3 else 0
    vals = max(1, round(VAL_SHARE * len(pictures))) if len(scenes) >= 2 else 0
    # Every split gets a scene before train gets its second.
    val = _take(scenes, vals, 2 if tests else 1)
    return {"val": val, "test": _take(scenes, tests, 1), "train": [picture for scene in scenes for picture in scene]}


def _scenes(pictures: Sequence[Picture]) -> list[list[Picture]]:
    """Return the near-identical ones among ``pictures`` together, in the order of the first of each."""
    scenes: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        scenes[picture[0].group].append(picture)
    return list(scenes.values())


def _take(scenes: list[list[Picture]], count: int, leave: int) -> list[Picture]:
    """Remove up to ``count`` pictures' worth of scenes from ``scenes`` and return them, ``leave`` scenes remaining.

    The first that fit are taken; if none does, the smallest.
    """
    taken: list[Picture] = []
    place = 0
    while count and len(scenes) > leave and place < len(scenes):
        if len(taken) + len(scenes[place]) <= count:
            taken += scenes.pop(place)
        else:
            place += 1
    if count and not taken and len(scenes) > leave:
        taken = scenes.pop(min(range(len(scenes)), key=lambda number: len(scenes[number])))
    return taken
