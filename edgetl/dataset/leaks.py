"""Pictures that are in two splits at once: copies of a file, and near-identical ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from edgetl.dataset.alike import Alike
from edgetl.dataset.values import ImageRef, Leak

NAMED = 3


def leaks(splits: Sequence[Sequence[ImageRef]], near: Alike) -> tuple[Leak, ...]:
    """Return one leak for each image whose picture an earlier one of ``splits`` holds too.

    Files of the same content come first; of near-identical pictures the most similar one is named.
    """
    same = _same_files(splits)
    copies = {leak.second for leak in same}
    found = list(same)
    earlier: dict[str, dict[str, str]] = defaultdict(dict)
    for images in splits:
        rest = [image for image in images if image.alike and image.path not in copies]
        nearest = _nearest(rest, earlier, near)
        found += [
            Leak(first=nearest[image.sha256], second=image.path, kind="near-identical")
            for image in rest
            if image.sha256 in nearest
        ]
        for image in rest:
            earlier[image.alike].setdefault(image.sha256, image.path)
    return tuple(found)


def remark(found: Sequence[Leak]) -> str:
    """Return what to tell of ``found``, which is not empty."""
    near = [leak for leak in found if leak.kind == "near-identical"]
    named = list(found[: NAMED - bool(near)]) if len(near) < len(found) else []
    named += near[: NAMED - len(named)]
    pairs = "; ".join(f"{leak.first} and {leak.second} ({leak.kind})" for leak in named)
    more = f"; and {len(found) - len(named)} more" if len(found) > len(named) else ""
    return (
        f"{len(found)} images are in two splits at once, so that accuracy measured on them says nothing: {pairs}{more}."
        " Keep each such picture in one split only (with all of its copies), or remove it."
    )


def _same_files(splits: Iterable[Sequence[ImageRef]]) -> list[Leak]:
    first: dict[str, tuple[int, str]] = {}
    found = []
    for number, images in enumerate(splits):
        for image in images:
            split, path = first.setdefault(image.sha256, (number, image.path))
            if split != number:
                found.append(Leak(first=path, second=image.path))
    return found


def _nearest(images: Iterable[ImageRef], earlier: dict[str, dict[str, str]], near: Alike) -> dict[str, str]:
    """Return the path of the most similar image of ``earlier`` splits (by group and content), by content."""
    together: dict[str, dict[str, None]] = defaultdict(dict)
    for image in images:
        if image.alike in earlier:
            together[image.alike][image.sha256] = None
    found: dict[str, str] = {}
    for group, contents in together.items():
        nearest = near.nearest(list(contents), list(earlier[group]))
        found |= {sha256: earlier[group][other] for sha256, other in nearest.items()}
    return found
