"""Reading the domain to adapt to: a folder of unlabelled images, and labelled ones to report on where there are any."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgetl.dataset import Dataset, ImageRef, layout, manifest
from edgetl.dataset.roles import judging_images
from edgetl.dataset.seen import Seen
from edgetl.dataset.verify import look_at
from edgetl.errors import DataError, nearest, nearest_path
from edgetl.progress import Progress
from edgetl.training.settings import Adapt

# Fewer images than this say too little of a domain.
LEAST = 8
NAMED = 3


@dataclass(frozen=True)
class Target:
    """Unlabelled images of the domain to adapt to, each content once, in the order of their ``hashes`` (SHA-256).

    What was passed over: ``skipped`` files that are no usable images, ``held`` images that something is judged by.
    """

    paths: tuple[Path, ...]
    hashes: tuple[str, ...]
    skipped: int = 0
    held: int = 0


@dataclass(frozen=True)
class Check:
    """Labelled images of that domain, used for nothing but to report on; ``labels`` are class indices."""

    paths: tuple[Path, ...]
    hashes: tuple[str, ...]
    labels: tuple[int, ...]


Domain = tuple[Target, Check | None]


def read(settings: Adapt, dataset: Dataset, progress: Progress) -> Domain:
    """Return what ``settings`` name, for a classifier of ``dataset``'s classes.

    Images with the content of a labelled one, or of one that the data set is judged by, are not adapted to. Raises
    DataError.
    """
    check = None if settings.check is None else _check(settings.check.expanduser(), dataset.classes, progress)
    judged = {image.sha256 for image in judging_images(dataset)}.union(check.hashes if check else ())
    return _target(settings.to.expanduser(), judged, progress), check


def fingerprint(target: Target, check: Check | None) -> str:
    """Return the SHA-256 of all that an adaptation and its report can see of these images."""
    labelled = sorted(zip(check.hashes, check.labels, strict=True)) if check else []
    return hashlib.sha256(repr((target.hashes, labelled)).encode()).hexdigest()


def added(dataset: Dataset, target: Target, check: Check | None) -> Dataset:
    """Return ``dataset`` with these images, which calibrate and judge what was adapted to them."""
    labels = [dataset.classes[label] for label in check.labels] if check else []
    return dataset.model_copy(
        update={
            "domain": _references(target.paths, target.hashes, [""] * len(target.paths)),
            "domain_check": _references(check.paths, check.hashes, labels) if check else (),
        }
    )


def _references(paths: Sequence[Path], hashes: Sequence[str], labels: Sequence[str]) -> tuple[ImageRef, ...]:
    named = [Path(os.path.abspath(path)).as_posix() for path in paths]  # noqa: PTH100 - links are the user's choice
    return tuple(
        ImageRef(path=path, label=label, sha256=sha256)
        for path, label, sha256 in zip(named, labels, hashes, strict=True)
    )


def _target(folder: Path, judged: Collection[str], progress: Progress) -> Target:
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.{nearest_path(folder)} Check the path given to --adapt-to.")
    paths = list(layout.files_below(folder))
    if not paths:
        raise DataError(f"The folder {folder}, given to --adapt-to, is empty. Put images of the new domain into it.")
    usable, skipped = _usable(paths, folder, progress)
    held = [index for index, sha256 in usable.items() if sha256 in judged]
    # Two copies of an image are one, and names decide nothing: the same images give the same result anywhere.
    chosen = {sha256: paths[index] for index, sha256 in reversed(usable.items()) if sha256 not in judged}
    if held:
        progress.remark(f"{len(held)} images in {folder} are also judged by; they are not adapted to.")
    if len(chosen) < LEAST:
        raise DataError(
            f"{folder} has {len(chosen)} usable images to adapt to ({len(skipped)} files cannot be used, {len(held)} "
            f"images are judged by); it takes at least {LEAST}. Add images of the new domain; they need no labels."
        )
    hashes = sorted(chosen)
    return Target(tuple(chosen[sha256] for sha256 in hashes), tuple(hashes), len(skipped), len(held))


def _check(root: Path, classes: Sequence[str], progress: Progress) -> Check:
    if not root.exists():
        raise DataError(
            f"There is no folder or manifest {root}.{nearest_path(root)} Check the path given to --adapt-check."
        )
    found = (layout.folders(root) if root.is_dir() else manifest.manifest(root)).found
    number = {name: index for index, name in enumerate(classes)}
    unknown = sorted({item.label for item in found} - set(classes))
    if unknown:
        raise DataError(
            f"{root}, given to --adapt-check, has the class '{unknown[0]}', which the training images do not have."
            f"{nearest(unknown[0], classes)} Its classes must be among theirs: {', '.join(classes)}."
        )
    paths = [item.path for item in found]
    usable, _ = _usable(paths, root, progress)
    if not usable:
        raise DataError(f"No file in {root}, given to --adapt-check, is a usable image.")
    labels = tuple(number[found[index].label] for index in usable)
    return Check(tuple(paths[index] for index in usable), tuple(usable.values()), labels)


def _usable(paths: Sequence[Path], root: Path, progress: Progress) -> tuple[dict[int, str], list[int]]:
    """Return the hash of each usable file by its index, and the indices of the others, which are remarked upon."""
    looked = look_at(paths, progress, Seen(root))
    skipped = [index for index, look in enumerate(looked) if look.reason]
    if skipped:
        named = "; ".join(f"{paths[index]} ({looked[index].reason})" for index in skipped[:NAMED])
        more = f"; and {len(skipped) - NAMED} more" if len(skipped) > NAMED else ""
        text = f"Skipped: {len(skipped)} of {len(paths)} files in {root} cannot be used: {named}{more}."
        # Names that are no UTF-8 are skipped, but they still have to be printed.
        progress.remark(text.encode("utf-8", "replace").decode())
    return {index: look.sha256 for index, look in enumerate(looked) if not look.reason}, skipped
