"""Which backbones are tried with which source weights, and on which images."""

from __future__ import annotations

import numpy as np

from edgetl import backbones, weights
from edgetl.backbones import BACKBONES
from edgetl.dataset import Dataset, ImageRef, fitting_images
from edgetl.errors import DataError, UsageError
from edgetl.ranking.values import Contestant, RankSettings

GENERAL = (weights.IMAGENET, weights.EMBEDDED, weights.NONE)


def lineup(settings: RankSettings) -> list[Contestant]:
    """Return what to try, cheapest first by multiplications; raises UsageError for names that say nothing."""
    general, files = _sources(settings.weights)
    chosen = [backbones.backbone(arch) for arch in dict.fromkeys(settings.archs)] or list(BACKBONES.values())
    surplus = files.keys() - {backbone.name for backbone in chosen}
    if surplus:
        raise UsageError(f"There are weights for {min(surplus)}, which --arch leaves out. Add --arch {min(surplus)}.")
    contestants = []
    for backbone in sorted(chosen, key=lambda each: each.macs):
        if backbone.name in files:
            # A file that is not there is found out now and not after ten minutes.
            weights.identity(files[backbone.name], backbone)
            contestants.append(Contestant(backbone, files[backbone.name], named=True))
        else:
            contestants.append(Contestant(backbone, general or weights.default(settings.data, backbone.name)))
    return contestants


def validated_images(dataset: Dataset, seed: int) -> list[ImageRef]:
    """Return the training images that cross-validation uses, of each class its share; raises DataError for too few."""
    from edgetl.training.heads.folds import folds

    images = fitting_images(dataset)
    labels, groups = np.asarray(dataset.labels(images)), np.asarray(dataset.groups(images))
    counts = np.array([len(np.unique(groups[labels == label])) for label in range(len(dataset.classes))])
    if counts.min() < 2:
        rare = dataset.classes[int(counts.argmin())]
        raise DataError(
            "Cross-validation takes at least two training images of each class, near-identical ones counted as one; "
            f"'{rare}' has {counts.min()}. Add some."
        )
    return [images[index] for index in np.flatnonzero(folds(labels, groups, seed) >= 0)]


def _sources(given: tuple[str, ...]) -> tuple[str | None, dict[str, str]]:
    """Return the source of all backbones, if one is named, and the files of single ones."""
    general = sorted(name for name in set(given) if name in GENERAL)
    files: dict[str, str] = {}
    for text in given:
        arch, equals, file = text.partition("=")
        if equals:
            files[backbones.backbone(arch).name] = file
        elif text not in GENERAL:
            raise UsageError(
                f"'{text}' does not say whose weights it is. Write ARCH=FILE, for example mobilenet_v2={text}; for all "
                f"backbones there are {', '.join(GENERAL)}."
            )
    if len(general) > 1:
        raise UsageError(f"All backbones cannot have {' and '.join(general)} weights. Name one of them.")
    return (general[0] if general else None), files
