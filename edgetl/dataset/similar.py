"""Finding near-identical pictures among many by their descriptors, in time that grows with their number only.

Two pictures are near-identical when the structures of their descriptors, or of one and the other's mirror image, point
the same way: by a cosine of 0.85, and clearly beyond what any two pictures of this data set have in common. Digits on
white or parts under a fixed camera are all alike, so that there only closer pictures are copies. What is common to all
(the mean, such as a background that never changes) is subtracted first.

Candidates come from locality-sensitive hashing (Charikar, "Similarity estimation techniques from rounding algorithms",
2002): signs of some of the numbers, in several bands of them; whatever agrees in one band is compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgetl.dataset.descriptor import ODD, STRUCTURE, Matrix

COSINE = 0.85
# How many standard deviations (of arctanh of the cosine, Fisher's transformation) a copy must stand out; but whatever
# the others are like, a picture encoded once more is a copy.
STANDS_OUT = 10.0
CLOSEST = 0.99
SAMPLE = 20_000
# The upper quartile of a normal distribution, in standard deviations above its middle.
UPPER, NORMAL = 0.75, 0.6745

BANDS = 60
# Random directions whose signs the bands are drawn from.
PROJECTIONS = 256
# Bits beyond those of a band, which only order what agrees in it.
FINER = 16
# How many followers in a band's order a picture is compared with. In a bucket that is larger all are close to their
# neighbours, and groups come of chains.
FOLLOWERS = 4
CHUNK = 1 << 16

# Of mean Cb and Cr: what re-encoding changes, the share that other brightness may change, and how much a grey picture
# that went through JPEG can have.
COLOUR_DIFFERS = 2
BRIGHTER = 0.2
GREY = 1

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Pictures:
    """Descriptors made ready to be compared: unit vectors (n, STRUCTURE), zero for flat pictures; colours (n, 3)."""

    directions: Matrix
    colours: Matrix
    threshold: float

    def cosines(self, first: Indices, second: Indices) -> Matrix:
        """Return the cosine of each pair, the mirror image considered; -1 where the colours differ."""
        product = self.directions[first] * self.directions[second]
        cosine = product[:, ~ODD].sum(1) + np.abs(product[:, ODD].sum(1))
        return np.asarray(np.where(_coloured_alike(self.colours[first], self.colours[second]), cosine, -1), np.float32)

    def nearest(self, of: Indices, among: Indices) -> tuple[Indices, Matrix]:
        """Return for each picture ``of`` the one ``among`` others that is most similar to it, and their cosine."""
        step = max(1, (1 << 22) // len(among))
        best = [self._nearest(of[start : start + step], among) for start in range(0, len(of), step)]
        return among[np.concatenate([place for place, _ in best])], np.concatenate([cosine for _, cosine in best])

    def _nearest(self, of: Indices, among: Indices) -> tuple[Indices, Matrix]:
        even, odd = (self.directions[of][:, side] @ self.directions[among][:, side].T for side in (~ODD, ODD))
        alike = _coloured_alike(self.colours[of][:, None], self.colours[among])
        cosines = np.where(alike, even + np.abs(odd), np.float32(-1))
        return cosines.argmax(1), cosines.max(1)


def pictures(descriptors: NDArray[np.float16]) -> Pictures:
    """Return the pictures that ``descriptors``, of shape (n, SIZE), describe."""
    structure = descriptors[:, :STRUCTURE].astype(np.float32)
    has_some = structure.any(1)
    structure[has_some] -= structure[has_some].mean(0) if has_some.any() else 0
    length = np.linalg.norm(structure, axis=1, keepdims=True)
    directions = structure / np.maximum(length, np.float32(1e-6))
    colours = descriptors[:, STRUCTURE:].astype(np.float32)
    return Pictures(directions, colours, _threshold(directions[has_some]))


def groups(compared: Pictures) -> Indices:
    """Return the number of each picture's group; a picture without a near-identical one is alone in its group."""
    count = len(compared.directions)
    group: Indices = np.arange(count)
    some = np.flatnonzero(compared.directions.any(1))
    if len(some) < 2:
        return group
    generator = np.random.default_rng(0)
    projections = generator.standard_normal((PROJECTIONS, STRUCTURE), np.float32)
    mirrored = projections * np.where(ODD, np.float32(-1), np.float32(1))
    directions = compared.directions[some].T
    signs = np.concatenate([projections @ directions > 0, mirrored @ directions > 0], axis=1)
    bits = min(24, max(6, len(some).bit_length() + 4))
    for _ in range(BANDS):
        band = generator.choice(PROJECTIONS, bits + FINER, replace=False)
        first, second = (some[side % len(some)] for side in _agreeing(signs[band]))
        apart = group[first] != group[second]
        first, second = first[apart], second[apart]
        for start in range(0, len(first), CHUNK):
            part = slice(start, start + CHUNK)
            near = compared.cosines(first[part], second[part]) >= compared.threshold
            if near.any():
                group = _joined(group, first[part][near], second[part][near])
    return group


def _threshold(directions: Matrix) -> float:
    """Return the cosine from which on two of these pictures are near-identical."""
    count = len(directions)
    if count < 2:
        return COSINE
    generator = np.random.default_rng(0)
    first = generator.integers(0, count, SAMPLE)
    second = (first + generator.integers(1, count, SAMPLE)) % count
    cosines = np.einsum("ij,ij->i", directions[first], directions[second])
    # Quantiles do not mind that some of the pairs are copies. The middle is below zero, since the mean was subtracted:
    # by 1 / (n - 1) for n pictures, or for pictures of n scenes.
    middle, upper = np.quantile(cosines, [0.5, UPPER])
    deviation = (upper - middle) / NORMAL
    return min(CLOSEST, max(COSINE, float(np.tanh(STANDS_OUT * deviation))))


def _coloured_alike(first: Matrix, second: Matrix) -> NDArray[np.bool_]:
    """Whether mean colours differ by no more than re-encoding or other brightness explains, or one picture is grey."""
    differ = np.hypot(first[..., 0] - second[..., 0], first[..., 1] - second[..., 1])
    grey = np.minimum(first[..., 2], second[..., 2]) < GREY
    return np.asarray(grey | (differ <= COLOUR_DIFFERS + BRIGHTER * np.maximum(first[..., 2], second[..., 2])))


def _agreeing(signs: NDArray[np.bool_]) -> tuple[Indices, Indices]:
    """Return pairs of columns that agree in all but the last FINER rows of ``signs``, which are at most 63."""
    keys = np.zeros(signs.shape[1], np.int64)
    for row in signs:
        keys <<= 1
        keys |= row
    order = np.argsort(keys, kind="stable")
    buckets = keys[order] >> FINER
    found = []
    for step in range(1, FOLLOWERS + 1):
        here = np.flatnonzero(buckets[step:] == buckets[:-step])
        found.append((order[here], order[here + step]))
    first, second = (np.concatenate(side) for side in zip(*found, strict=True))
    return first, second


def _joined(group: Indices, first: Indices, second: Indices) -> Indices:
    """Return the groups with those of each pair made one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(first), np.bool_), (group[first], group[second])), shape=(len(group),) * 2)
    _, component = connected_components(links, directed=False)
    return np.asarray(component[group], np.intp)
