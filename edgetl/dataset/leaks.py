"""Pictures that are in two splits at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgetl.dataset.values import ImageRef, Leak


def leaks(splits: Iterable[Sequence[ImageRef]]) -> tuple[Leak, ...]:
    """Return one leak for each image whose very file content an earlier one of ``splits`` holds too."""
    first: dict[str, tuple[int, str]] = {}
    found = []
    for number, images in enumerate(splits):
        for image in images:
            split, path = first.setdefault(image.sha256, (number, image.path))
            if split != number:
                found.append(Leak(first=path, second=image.path))
    return tuple(found)
