"""Logits of one network computed in two ways: how far they lie apart, and how far they may."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from edgetl.device.values import SessionSpec
from edgetl.environments.local import local_command
from edgetl.measure.worker import Worker

# How far logits may lie from what they should be: a part of what an image changes in them, plus float32 rounding
# through a hundred layers, a part of the largest. The five architectures tried differ from torch by at most 2e-6 of the
# largest; a wrong graph by more than a tenth of what an image changes.
IMAGE_TOLERANCE = 1e-4
ROUNDING_TOLERANCE = 1e-5

# Sizes of the batches that go through the runner, in turn: one image, a ragged number, a power of two.
_BATCHES = (1, 3, 8)

Pixels = NDArray[np.uint8]
Logits = NDArray[np.float32]


def difference(actual: Logits, expected: Logits) -> tuple[float, float]:
    """Return the largest difference between two arrays of logits (images, classes), and the one that is tolerated."""
    return float(np.max(np.abs(actual - expected))), tolerance(expected)


def hellinger(actual: Logits, expected: Logits) -> float:
    """Return the mean Hellinger distance of the probabilities of ``actual`` from the expected ones, 0 to 1.

    Both are arrays of logits (images, classes). For small errors it is their standard deviation under the expected
    probabilities over the square root of 8: an error counts where it can change which class wins. A mean of divergences
    would be that of squares, which one or two images decide (Hellinger, *J. reine angew. Math.* 136, 1909).
    """
    before, after = (np.exp(log_softmax(each.astype(np.float64), axis=1) / 2) for each in (expected, actual))
    return float(np.mean(np.sqrt(np.sum((before - after) ** 2, axis=1) / 2)))


def tolerance(expected: Logits) -> float:
    """Return the difference from the logits ``expected`` (images, classes) that is rounding only."""
    by_image = float(np.max(np.ptp(expected, axis=0)))
    return IMAGE_TOLERANCE * by_image + ROUNDING_TOLERANCE * float(np.max(np.abs(expected)))


def runner_logits(model: Path, pixels: Pixels) -> Logits:
    """Return the logits (n, classes) of a model file for uint8 ``pixels`` (n, h, w, 3), in batches of several sizes."""
    cuts = np.cumsum([0, *_batches(len(pixels))])
    ranges = list(pairwise(cuts.tolist()))
    parts: dict[int, Logits] = {}
    with Worker(local_command()) as worker:
        # One session for each batch size, since the runner tells the engine one size.
        for size in sorted({last - first for first, last in ranges}):
            worker.load(model, SessionSpec(provider="cpu", options={"batch": str(size)}))
            for first, last in ranges:
                if last - first == size:
                    parts[first] = worker.logits(pixels[first:last])
    return np.concatenate([parts[first] for first, _ in ranges])


def _batches(images: int) -> Sequence[int]:
    sizes: list[int] = []
    while (rest := images - sum(sizes)) > 0:
        sizes.append(min(_BATCHES[len(sizes) % len(_BATCHES)], rest))
    return sizes
