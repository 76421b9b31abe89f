"""The usable images of a place, with whatever labels its folders or lists give, before anyone deals them to roles."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgetl.dataset import layout as layouts
from edgetl.dataset.listed import listed
from edgetl.dataset.manifest import manifest
from edgetl.dataset.seen import Seen
from edgetl.dataset.values import ImageRef, Skipped, Source, Split
from edgetl.dataset.verify import look_at
from edgetl.errors import DataError, nearest_path
from edgetl.progress import Progress

_NAMED = 3


@dataclass(frozen=True)
class Images:
    """The usable images below ``root`` and the split that the user gave each (None for none).

    A label is what the user's folders or lists say; empty where nobody said anything.
    """

    root: str
    source: Source
    images: tuple[ImageRef, ...]
    given: tuple[Split | None, ...]
    skipped: tuple[Skipped, ...]


def find(place: Path, progress: Progress, labels: Path | None = None) -> Images:
    """Return the usable images at ``place``: a folder, flat or of class folders, or a manifest.

    ``labels`` is a CSV of files and labels, to be taken instead. What cannot be used is skipped with a remark. Raises
    DataError where there are none.
    """
    place = place.expanduser()
    if not place.exists():
        raise DataError(f"There is no folder or manifest of images {place}.{nearest_path(place)} Check its name.")
    layout = listed(labels, place) if labels is not None else _layout(place)
    root = os.path.abspath(place if place.is_dir() else place.parent)  # noqa: PTH100 - links stay as the user chose
    looked = look_at([item.path for item in layout.found], progress, Seen(place))
    names = [_name(item.path, root) for item in layout.found]
    skipped = tuple(
        Skipped(path=name, reason=look.reason) for name, look in zip(names, looked, strict=True) if look.reason
    )
    _report(skipped, len(names), place, progress)
    usable = [
        (ImageRef(path=name, label=item.label, sha256=look.sha256), item.split)
        for item, name, look in zip(layout.found, names, looked, strict=True)
        if not look.reason
    ]
    if not usable:
        raise DataError(f"{place} has no usable images.")
    given = tuple(split for _, split in usable)
    return Images(root, layout.source, tuple(image for image, _ in usable), given, skipped)


def _layout(place: Path) -> layouts.Layout:
    if not place.is_dir():
        return manifest(place)
    if any(entry.is_dir() and entry.name[:1] != "." and entry.name not in layouts.IGNORED for entry in place.iterdir()):
        return layouts.folders(place)
    # Lists of labels lie among the images; they are no images that went bad.
    files = [path for path in layouts.files_below(place) if path.suffix.lower() not in (".csv", ".jsonl", ".txt")]
    return layouts.Layout("manifest", tuple(layouts.Found(path, "", None) for path in files))


def _name(path: Path, root: str) -> str:
    name = os.path.abspath(path).removeprefix(os.path.join(root, ""))  # noqa: PTH100, PTH118
    return name.replace(os.sep, "/").encode("utf-8", "replace").decode()


def _report(skipped: Sequence[Skipped], total: int, place: Path, progress: Progress) -> None:
    if skipped:
        named = "; ".join(f"{item.path} ({item.reason})" for item in skipped[:_NAMED])
        more = f"; and {len(skipped) - _NAMED} more" if len(skipped) > _NAMED else ""
        progress.remark(f"Skipped: {len(skipped)} of {total} files in {place} cannot be used: {named}{more}.")
