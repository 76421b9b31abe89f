"""Finding labelled files: class folders, with or without folders of splits above them."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgetl.dataset.values import Source, Split
from edgetl.errors import DataError

SPLIT_FOLDERS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
# What archives and file managers leave behind; names with a leading dot are passed over as well.
IGNORED = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Found:
    """A file that claims to be an image of class ``label``; ``split`` is None where the user gave none."""

    path: Path
    label: str
    split: Split | None


@dataclass(frozen=True)
class Layout:
    """What was found, and in which form."""

    source: Source
    found: tuple[Found, ...]


def folders(root: Path) -> Layout:
    """Return the files below ``root``; raises DataError when there is no class in it or it cannot be read."""
    top = _folders_in(root)
    splits = [(path, SPLIT_FOLDERS[path.name.lower()]) for path in top if path.name.lower() in SPLIT_FOLDERS]
    # A class may be called "train" too (the vehicle), so a folder is a split only if it holds folders.
    if any(split == "train" and _folders_in(path) for path, split in splits):
        found = [item for path, split in splits for item in _classes(path, split)]
        return Layout("split folders", tuple(found))
    if not top:
        raise DataError(_no_classes(root))
    if len(splits) == len(top):
        names = ", ".join(path.name for path in top)
        raise DataError(
            f"{root} holds folders of splits ({names}), but no train folder with a folder per class inside. Put the "
            "training images into train/<class>/."
        )
    return Layout("class folders", tuple(item for path in top for item in _class(path, None)))


def is_text(name: str) -> bool:
    """Whether ``name`` can be stored as UTF-8; names of files may be any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _classes(root: Path, split: Split) -> Iterator[Found]:
    for path in _folders_in(root):
        yield from _class(path, split)


def _class(folder: Path, split: Split | None) -> Iterator[Found]:
    # The same name can be stored composed or decomposed: a class is one class either way.
    label = unicodedata.normalize("NFC", folder.name)
    if not is_text(label):
        name = label.encode("utf-8", "replace").decode()
        raise DataError(f"The name of the class folder {folder.parent}/{name} is not UTF-8. Rename it.")
    files = list(files_below(folder))
    if not files:
        raise DataError(f"The class folder {folder} holds no files. Add images of this class, or remove the folder.")
    return iter([Found(path, label, split) for path in files])


def files_below(folder: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    """Yield the files below ``folder`` in the order of their names; raises DataError where it cannot be read.

    Links are followed, but never back into a folder that we are inside of: those are ``above``, by device and inode.
    """
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    for entry in _entries(folder):
        if _is_folder(entry):
            yield from files_below(Path(entry.path), above | {here})
        else:
            yield Path(entry.path)


def _folders_in(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in _entries(folder) if _is_folder(entry)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself, or into a place that is closed to us: left to be reported as an unusable file.
        return False


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            kept = [entry for entry in entries if not entry.name.startswith(".") and entry.name not in IGNORED]
    except FileNotFoundError:
        raise DataError(f"There is no folder {folder}. Check the path given to --data.") from None
    except OSError as error:
        raise DataError(f"The folder {folder} cannot be read: {(error.strerror or str(error)).lower()}.") from error
    return sorted(kept, key=lambda entry: entry.name)


def _no_classes(root: Path) -> str:
    expected = "edgetl expects one folder per class inside it, or train/ and val/ with class folders, or a manifest."
    return f"The folder {root} {'holds no class folders' if _entries(root) else 'is empty'}: {expected}"
