"""Stratified, seeded splits where the user gave none; copies of one picture always stay together."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from edgetl.dataset.values import ImageRef, Split

VAL_SHARE = 0.15
TEST_SHARE = 0.15


def split(images: Sequence[ImageRef], seed: int, *, test: bool) -> dict[Split, list[ImageRef]]:
    """Return ``images`` as train, val and (with ``test``) test: 70/15/15, or 85/15 without test.

    Each class is split by itself. With three pictures or more a class is in every split, with two in train and val.
    """
    parts: dict[Split, list[ImageRef]] = {"train": [], "val": [], "test": []}
    by_class: dict[str, dict[str, list[ImageRef]]] = defaultdict(lambda: defaultdict(list))
    for image in images:
        by_class[image.label][image.sha256].append(image)
    for label in sorted(by_class):
        pictures = sorted(by_class[label].values(), key=lambda copies: copies[0].path)
        # One stream per class, so that images added to one class do not reshuffle the others.
        random.Random(f"{seed}/{label}").shuffle(pictures)  # noqa: S311 - a split, not a secret
        for name, count in _counts(len(pictures), test).items():
            taken, pictures = pictures[:count], pictures[count:]
            parts[name] += [image for copies in taken for image in copies]
    return {name: sorted(part, key=lambda image: (image.label, image.path)) for name, part in parts.items()}


def _counts(pictures: int, test: bool) -> dict[Split, int]:
    """Return how many pictures of a class go where; every split gets one before train gets its second."""
    tests = max(1, round(TEST_SHARE * pictures)) if test and pictures >= 3 else 0
    vals = max(1, round(VAL_SHARE * pictures)) if pictures >= 2 else 0
    return {"val": vals, "test": tests, "train": pictures - vals - tests}
