"""Which images of a data set are near-identical, by their contents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgetl.dataset import similar
from edgetl.dataset.descriptor import SIZE, Descriptors


@dataclass(frozen=True)
class Alike:
    """``group`` names, for the SHA-256 of each image that has a near-identical one, what is common to all of them."""

    group: Mapping[str, str]
    place: Mapping[str, int]
    pictures: similar.Pictures

    def nearest(self, of: Sequence[str], among: Sequence[str]) -> dict[str, str]:
        """Return for each image ``of`` which is near-identical to one ``among`` others the most similar of these."""
        rows, others = (np.array([self.place[sha256] for sha256 in side], np.intp) for side in (of, among))
        nearest, cosines = self.pictures.nearest(rows, others)
        name = dict(zip(others.tolist(), among, strict=True))
        return {
            sha256: name[row]
            for sha256, row, cosine in zip(of, nearest.tolist(), cosines.tolist(), strict=True)
            if cosine >= self.pictures.threshold
        }


def alike(looks: Iterable[tuple[str, Descriptors]]) -> Alike:
    """Return which images are near-identical, given the SHA-256 and the descriptor of each."""
    # Sorted, so that names of files play no part in it.
    contents = sorted(dict(looks).items())
    descriptors = np.array([descriptor for _, descriptor in contents], np.float16).reshape(-1, SIZE)
    pictures = similar.pictures(descriptors)
    members: dict[int, list[str]] = defaultdict(list)
    for (sha256, _), number in zip(contents, similar.groups(pictures).tolist(), strict=True):
        members[number].append(sha256)
    group = {sha256: together[0] for together in members.values() if len(together) > 1 for sha256 in together}
    return Alike(group, {sha256: place for place, (sha256, _) in enumerate(contents)}, pictures)
