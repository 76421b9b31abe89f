"""Which images judge together in cross-validation: near-identical ones are never on both sides of a split."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
# Cross-validation sees at most about so many images: the best strength moves slowly with their number.
CROSS_VALIDATED = 4096

Integers = NDArray[np.int64]


def folds(labels: Integers, groups: Integers, seed: int) -> Integers:
    """Return each image's fold, classes spread evenly; -1 for images that are left out because there are plenty.

    Images of one of the ``groups`` are in one fold. There are no more folds than the rarest class has groups; one fold
    only, where all of a class are of one.
    """
    generator = np.random.default_rng(seed)
    counts = np.bincount(labels)
    present = np.flatnonzero(counts)
    number = min(FOLDS, min(len(np.unique(groups[labels == label])) for label in present))
    keep = min(1.0, CROSS_VALIDATED / len(labels))
    kept: list[int] = []
    for label in present:
        images = generator.permutation(np.flatnonzero(labels == label))
        # One of each group before the second of any: where images are left out, it is those that say least.
        images = images[np.argsort(_turns(groups[images]), kind="stable")]
        kept += images[: max(number, round(keep * len(images)))].tolist()
    result = np.full(len(labels), -1)
    fold_of = _dealt(labels, groups, kept, number)
    result[kept] = [fold_of[group] for group in groups[kept].tolist()]
    return result


def alone(images: int) -> Integers:
    """Return the groups of so many images that have nothing in common."""
    return np.arange(images)


def independent(groups: Integers) -> float:
    """Return how many images without near-identical ones say as much as these, at the least (Kish, 1965).

    It is their number where each is its own group, and that of the groups where all are of one size.
    """
    sizes = np.unique(groups, return_counts=True)[1].astype(np.float64)
    return float(sizes.sum() ** 2 / np.square(sizes).sum())


def _dealt(labels: Integers, groups: Integers, kept: list[int], number: int) -> dict[int, int]:
    """Return the fold of each group of the images ``kept``, which are in the order of their classes."""
    members: dict[int, Counter[int]] = defaultdict(Counter)
    first: dict[int, int] = {}
    for group, label in zip(groups[kept].tolist(), labels[kept].tolist(), strict=True):
        members[group][label] += 1
        first.setdefault(group, label)
    totals = Counter(labels[kept].tolist())
    filled: list[Counter[int]] = [Counter() for _ in range(number)]
    sizes = [0] * number
    result: dict[int, int] = {}
    # Class by class, and the large ones first: the small ones then make up for how those fell.
    for group in sorted(members, key=lambda group: (first[group], -members[group].total())):
        own = members[group]

        def crowded(fold: int, own: Counter[int] = own) -> tuple[float, int]:
            """Return how much of the group's classes the fold has already, then how much of all."""
            return sum(count * filled[fold][label] / totals[label] ** 2 for label, count in own.items()), sizes[fold]

        fold = min(range(number), key=crowded)
        filled[fold].update(own)
        sizes[fold] += own.total()
        result[group] = fold
    return result


def _turns(groups: Integers) -> Integers:
    """Return for each image how many of its group come before it."""
    order = np.argsort(groups, kind="stable")
    _, starts, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    turns = np.empty(len(groups), np.int64)
    turns[order] = np.arange(len(groups)) - np.repeat(starts, sizes)
    return turns
