"""The images of a training, decoded in parallel: as they are, or in augmented views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgetl.device.cores import cores_allowed
from edgetl.device.values import Preprocess
from edgetl.pixels import Pixels, iter_pixels
from edgetl.training.augment import PLAIN, augment, recipe
from edgetl.training.features.extraction import View


@dataclass(frozen=True)
class Photos:
    """The images that inputs are made of: where they are, the SHA-256 of each (in hex), and the backbone's pixels."""

    paths: Sequence[Path]
    hashes: Sequence[str]
    preprocess: Preprocess


@dataclass(frozen=True)
class Decoder:
    """Decodes ``photos`` as they are or in views under an ``augmentation``, which are numbered from 0.

    A view of an image is the same whenever and wherever it is made: it depends on the seed, its number and the content.
    """

    photos: Photos
    augmentation: str
    seed: int

    def __post_init__(self) -> None:
        """Raise UsageError for an unknown augmentation, before there is work that it could end."""
        recipe(self.augmentation)

    def views(
        self, indices: Sequence[int], numbers: Sequence[int], batch: int, ahead: int | None = None
    ) -> Iterator[Pixels]:
        """Yield uint8 (images, views, crop, crop, 3) of up to ``batch`` images, each decoded once for all its views.

        No ``numbers`` give the plain image, as one view. For ``ahead`` see `iter_pixels`.
        """
        preprocess, hashes = self.photos.preprocess, self.photos.hashes

        def unchanged(_: int, pixels: Pixels) -> Pixels:
            return pixels[None]

        def varied(position: int, pixels: Pixels) -> Pixels:
            sequences = (View(self.augmentation, number, self.seed) for number in numbers)
            seeds = [view.seed_of(hashes[indices[position]]) for view in sequences]
            return np.stack([augment(pixels, self.augmentation, preprocess.crop, seed) for seed in seeds])

        plain = not numbers or self.augmentation == PLAIN
        # An augmentation chooses its crop from all of the shorter side.
        decoded = preprocess if plain else replace(preprocess, crop=preprocess.resize)
        paths = [self.photos.paths[index] for index in indices]
        change = unchanged if plain else varied
        for _, pixels in iter_pixels(paths, decoded, batch=batch, ahead=ahead, change=change):
            yield pixels

    def batches(self, order: Sequence[Sequence[int]], number: int | None) -> Iterator[Pixels]:
        """Yield uint8 (images, crop, crop, 3) for each batch of indices, in one view; None is the plain one."""
        # Batches may differ in size, so images come one by one and are put together here.
        indices = [index for batch in order for index in batch]
        ahead = 2 * max(map(len, order), default=0) + cores_allowed()
        numbers = () if number is None else (number,)
        images = self.views(indices, numbers, batch=1, ahead=ahead)
        side = self.photos.preprocess.crop
        for batch in order:
            pixels = np.empty((len(batch), side, side, 3), np.uint8)
            for place in range(len(batch)):
                pixels[place] = next(images)[0, 0]
            yield pixels
