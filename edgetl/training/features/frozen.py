"""Features of a data set's images from a frozen backbone: what every strategy that trains only a head begins with."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from edgetl import weights
from edgetl.backbones import Backbone
from edgetl.dataset import Dataset, ImageRef, fitting_images
from edgetl.pixels import Pixels, iter_pixels
from edgetl.progress import Progress
from edgetl.training.distributed import ALONE, World
from edgetl.training.features import batchnorm, extraction, forward
from edgetl.weights import Weights

SETTLING_IMAGES, SETTLING_BATCH = 256, 32


def source(of: Weights, backbone: Backbone) -> extraction.Source:
    """Return under what the backbone's features and its exported file are cached."""
    return extraction.Source(of.digest(), backbone.name, backbone.preprocess)


def extract(
    of: Weights,
    backbone: Backbone,
    dataset: Dataset,
    images: Sequence[ImageRef],
    progress: Progress,
    *,
    view: extraction.View | None = None,
    world: World = ALONE,
) -> extraction.Features:
    """Return the features of ``images`` of a data set; see `of_files`."""
    hashes = [image.sha256 for image in images]
    return of_files(of, backbone, dataset.paths(images), hashes, progress, view=view, world=world)


def of_files(
    of: Weights,
    backbone: Backbone,
    paths: Sequence[Path],
    hashes: Sequence[str],
    progress: Progress,
    *,
    view: extraction.View | None = None,
    world: World = ALONE,
) -> extraction.Features:
    """Return the features of images, float32 of shape (images, ``backbone.features``), from the cache if there.

    ``hashes`` are the SHA-256 of the files; ``view`` augments the images; each process of ``world`` computes its share.
    Raises DataError for an image that cannot be decoded.
    """
    key = source(of, backbone)

    def make(sample: Pixels) -> extraction.Forward:
        network = weights.attach(of, backbone)
        return forward.fastest(network, key.preprocess, key.onnx, sample, progress)

    return extraction.extract(key, paths, hashes, backbone.features, make, progress, view=view, world=world)


def settled(of: Weights, backbone: Backbone, dataset: Dataset, seed: int) -> Weights:
    """Return random weights with BatchNorm statistics of the training images, without which they pass nothing on."""
    network = weights.attach(of, backbone)
    known = fitting_images(dataset)
    images = random.Random(seed).sample(known, min(SETTLING_IMAGES, len(known)))  # noqa: S311 - a sample, not a secret
    batches = iter_pixels(dataset.paths(images), backbone.preprocess, batch=SETTLING_BATCH)
    # A last batch of one image has no variance.
    whole = islice((pixels for _, pixels in batches), max(1, len(images) // SETTLING_BATCH))
    batchnorm.reestimate(network, whole, backbone.preprocess)
    return replace(of, tensors=network.state_dict())
