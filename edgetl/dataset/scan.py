"""Making a `Dataset` of what is on disk, or saying in one sentence why not."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edgetl.dataset import layout as layouts
from edgetl.dataset.alike import Alike, alike
from edgetl.dataset.leaks import leaks, remark
from edgetl.dataset.manifest import manifest
from edgetl.dataset.seen import Seen
from edgetl.dataset.splits import split
from edgetl.dataset.values import SPLITS, Dataset, ImageRef, Skipped, Source, Split, contradictions, fingerprint
from edgetl.dataset.verify import Looked, look_at
from edgetl.errors import DataError, nearest_path
from edgetl.files import cache_dir
from edgetl.progress import Progress, Silent

NAMED = 3


def scan(root: Path | None, *, seed: int = 0, strict: bool = False, progress: Progress | None = None) -> Dataset:
    """Return the data set at ``root``: class folders, train/val[/test] folders or a manifest; None is the demo set.

    Every file is decoded once, and again only after it changed (see `seen`); what cannot be used is skipped with a
    remark, or refused with ``strict``. Where no validation split is given one is made, stratified and seeded, with
    near-identical images in one split. Raises DataError.
    """
    progress = progress or Silent()
    if root is None:
        folder = _demo(progress)
        found = layouts.folders(folder)
        return _dataset(folder, folder, "demo", found.found, seed, strict, progress)
    root = root.expanduser()
    try:
        is_folder = stat.S_ISDIR(root.stat().st_mode)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise DataError(
            f"There is no folder or manifest {root} ({why}).{nearest_path(root)} Check the path given to --data."
        ) from error
    found = layouts.folders(root) if is_folder else manifest(root)
    folder = root if is_folder else root.parent
    return _dataset(root, folder, found.source, found.found, seed, strict, progress)


def _demo(progress: Progress) -> Path:
    from edgetl.demo.surface import cached_demo_set

    return cached_demo_set(cache_dir(), progress=lambda done, total: progress.step("draw the demo images", done, total))


def _dataset(
    given_as: Path,
    folder: Path,
    source: Source,
    found: Sequence[layouts.Found],
    seed: int,
    strict: bool,
    progress: Progress,
) -> Dataset:
    root = os.path.abspath(folder)  # noqa: PTH100 - resolve() would follow a link that the user chose
    looked = look_at([item.path for item in found], progress, Seen(given_as))
    names = [_name(item.path, root) for item in found]
    skipped = tuple(
        Skipped(path=name, reason=look.reason) for name, look in zip(names, looked, strict=True) if look.reason
    )
    _report_skipped(skipped, len(found), given_as, strict, progress)
    near = alike((look.sha256, look.descriptor) for look in looked if look.descriptor is not None)
    given = _given(found, names, looked, near)
    classes = tuple(sorted({item.label for item in found}))
    _check_classes(classes, given, skipped, given_as)
    _report_contradictions([image for images in given.values() for image in images], strict, progress)
    parts = _parts(given, seed)
    _check_splits(classes, parts, given_as)
    if None in given or "val" not in given:
        _report_alike([image for images in parts.values() for image in images], progress)
    leaked = leaks([parts[name] for name in SPLITS], near)
    if leaked:
        progress.remark(remark(leaked))
    return Dataset(
        root=root,
        source=source,
        classes=classes,
        train=tuple(parts["train"]),
        val=tuple(parts["val"]),
        test=tuple(parts["test"]),
        skipped=skipped,
        leaks=leaked,
        sha256=fingerprint(classes, parts.items()),
    )


def _name(path: Path, root: str) -> str:
    # A link is named by where it is, not by where it points. Strings, since a Path costs ten times as much.
    name = os.path.abspath(path).removeprefix(os.path.join(root, ""))  # noqa: PTH100, PTH118
    # Names that are no UTF-8 are skipped, but they still have to be printed and stored.
    return name.replace(os.sep, "/").encode("utf-8", "replace").decode()


def _given(
    found: Sequence[layouts.Found], names: Sequence[str], looked: Sequence[Looked], near: Alike
) -> dict[Split | None, list[ImageRef]]:
    """Return the usable images by the split that the user gave."""
    given: dict[Split | None, list[ImageRef]] = {}
    for item, name, look in zip(found, names, looked, strict=True):
        if not look.reason:
            together = near.group.get(look.sha256, "")
            image = ImageRef(path=name, label=item.label, sha256=look.sha256, alike=together)
            given.setdefault(item.split, []).append(image)
    return given


def _parts(given: dict[Split | None, list[ImageRef]], seed: int) -> dict[Split, list[ImageRef]]:
    if None in given:
        return split(given[None], seed, test=True)
    parts: dict[Split, list[ImageRef]] = {name: given.get(name, []) for name in SPLITS}
    if not parts["val"]:
        parts |= {name: part for name, part in split(parts["train"], seed, test=False).items() if name != "test"}
    return {name: sorted(parts[name], key=lambda image: (image.label, image.path)) for name in SPLITS}


def _report_skipped(skipped: Sequence[Skipped], total: int, given_as: Path, strict: bool, progress: Progress) -> None:
    if not skipped:
        return
    named = "; ".join(f"{item.path} ({item.reason})" for item in skipped[:NAMED])
    more = f"; and {len(skipped) - NAMED} more" if len(skipped) > NAMED else ""
    text = f"{len(skipped)} of {total} files in {given_as} cannot be used: {named}{more}."
    if strict:
        raise DataError(f"{text} Remove them, or leave out --strict to skip them.")
    progress.remark(f"Skipped: {text}")


def _report_contradictions(images: Sequence[ImageRef], strict: bool, progress: Progress) -> None:
    """Say which images are in two classes, as copies or by links: no classifier can have both right."""
    twice = contradictions(images)
    if not twice:
        return
    one, other = twice[0]
    count = "An image is" if len(twice) == 1 else f"{len(twice)} images are"
    text = f"{count} in two classes at once, such as {one.path} and {other.path}."
    if strict:
        raise DataError(f"{text} Keep each in one class, or leave out --strict.")
    progress.remark(f"{text} Keep each in one class; look for copies and for links between the folders.")


def _report_alike(images: Sequence[ImageRef], progress: Progress) -> None:
    """Say which images a split that was made here keeps together."""
    together = sorted((image for image in images if image.alike), key=lambda image: image.alike)
    if together:
        progress.remark(
            f"{len(together)} of {len(images)} images are near-identical to others (such as {together[0].path} and "
            f"{together[1].path}): the split made here keeps those of a class together."
        )


def _check_classes(
    classes: Sequence[str], given: dict[Split | None, list[ImageRef]], skipped: Sequence[Skipped], given_as: Path
) -> None:
    counts = Counter(image.label for images in given.values() for image in images)
    if not counts:
        first = f" The first of {len(skipped)}: {skipped[0].path} ({skipped[0].reason})." if skipped else ""
        raise DataError(f"No file in {given_as} is a usable image.{first}")
    if len(classes) < 2:
        raise DataError(
            f"{given_as} has one class ('{classes[0]}'); a classifier needs at least two. "
            "Put each class into a folder of its own."
        )
    few = [name for name in classes if counts[name] < 2]
    if few:
        raise DataError(
            f"Too few usable images in {given_as} of {_quoted(few)}: a class needs two, one to train on and one to "
            "judge by. Add images, or remove the class."
        )


def _check_splits(classes: Sequence[str], parts: dict[Split, list[ImageRef]], given_as: Path) -> None:
    trained = {image.label for image in parts["train"]}
    unknown = [name for name in classes if name not in trained]
    if unknown:
        raise DataError(
            f"No usable training images in {given_as} of {_quoted(unknown)}. Add some, or remove the class from the "
            "other splits."
        )
    if not parts["val"]:
        raise DataError(f"{given_as} has no usable images to validate on. Add some, or remove its val folder.")


def _quoted(names: Sequence[str]) -> str:
    listed = ", ".join(f"'{name}'" for name in names[:NAMED])
    return listed + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
