"""The values of a data set: frozen, stored as ``data.json`` beside the classifier that was trained on it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import pydantic

from edgetl.artifacts import SCHEMA_VERSION, LabelledBy, Value
from edgetl.errors import RunError
from edgetl.files import write_text

FILE = "data.json"

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
LeakKind = Literal["same file", "near-identical"]
Source = Literal["demo", "class folders", "split folders", "manifest"]


class ImageRef(Value):
    """A usable image: ``path`` is relative to the data set's root (absolute if outside), ``sha256`` of its file.

    ``alike`` is common to all near-identical images, such as the frames of a scene; empty if there are no others.
    """

    path: str
    label: str
    sha256: str
    alike: str = ""

    @property
    def group(self) -> str:
        """What is common to this image, its copies and its near-identical ones, and to no other."""
        return self.alike or self.sha256


class Skipped(Value):
    """A file that cannot be used, and why."""

    path: str
    reason: str


class Leak(Value):
    """The same picture in two splits, so that what is measured on ``second`` was learnt from ``first``."""

    first: str
    second: str
    kind: LeakKind = "same file"


class Dataset(Value):
    """Labelled images in disjoint splits. ``sha256`` is the fingerprint of classes, splits, names and contents.

    ``domain`` are images of the domain that the classifier was adapted to, without labels; ``domain_check`` labelled
    ones from there, which judge. Both are empty without an adaptation. ``labelled_by`` says whose the labels are:
    people's, or the fp32 model's own top-1, so that what is called accuracy is agreement with it.
    """

    schema_version: int = SCHEMA_VERSION
    root: str
    source: Source
    classes: tuple[str, ...]
    train: tuple[ImageRef, ...]
    val: tuple[ImageRef, ...]
    test: tuple[ImageRef, ...]
    skipped: tuple[Skipped, ...]
    leaks: tuple[Leak, ...]
    sha256: str
    domain: tuple[ImageRef, ...] = ()
    domain_check: tuple[ImageRef, ...] = ()
    labelled_by: LabelledBy = "people"

    def split(self, name: Split) -> tuple[ImageRef, ...]:
        """Return the images of a split."""
        return {"train": self.train, "val": self.val, "test": self.test}[name]

    def contradictions(self) -> tuple[tuple[ImageRef, ImageRef], ...]:
        """Return the images whose content is in another class, too, each with the first that it contradicts."""
        return contradictions((*self.train, *self.val, *self.test))

    def paths(self, images: Iterable[ImageRef]) -> list[Path]:
        """Return where the files of ``images`` are."""
        return [Path(self.root) / image.path for image in images]

    def labels(self, images: Iterable[ImageRef]) -> list[int]:
        """Return the class indices of ``images``."""
        index = {name: number for number, name in enumerate(self.classes)}
        return [index[image.label] for image in images]

    def groups(self, images: Iterable[ImageRef]) -> list[int]:
        """Return for each of ``images`` a number that only its copies and its near-identical ones have, too."""
        numbers: dict[str, int] = {}
        return [numbers.setdefault(image.group, len(numbers)) for image in images]

    def save(self, folder: Path) -> None:
        """Write this data set into a run's folder, atomically."""
        write_text(folder / FILE, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Dataset:
        """Return the data set of a run; raises RunError when it is missing, newer or damaged."""
        path = folder / FILE
        try:
            stored = path.read_bytes()
            # Before all else, since what a newer version means by its keys is not known here.
            version = _Versioned.model_validate_json(stored).schema_version
            if version > SCHEMA_VERSION:
                raise RunError(f"{path} was written by a newer edgetl. Upgrade edgetl, or run `edgetl finetune` again.")
            return cls.model_validate_json(stored)
        except FileNotFoundError:
            raise RunError(f"{folder} has no {FILE}. Run `edgetl finetune` first.") from None
        except (OSError, pydantic.ValidationError) as error:
            raise RunError(f"{path} is damaged. Run `edgetl finetune` again.") from error


class _Versioned(pydantic.BaseModel):
    schema_version: int


def fingerprint(classes: Iterable[str], splits: Iterable[tuple[str, Iterable[ImageRef]]]) -> str:
    """Return the SHA-256 of what a training can see of a data set; where it lies does not matter."""
    digest = hashlib.sha256("\0".join(classes).encode())
    for name, images in splits:
        for image in images:
            digest.update("\0".join(("", name, image.label, image.path, image.sha256)).encode())
    return digest.hexdigest()


def contradictions(images: Iterable[ImageRef]) -> tuple[tuple[ImageRef, ImageRef], ...]:
    """Return those of ``images`` that an earlier one of the same content gives another class, behind that one."""
    first: dict[str, ImageRef] = {}
    pairs = ((first.setdefault(image.sha256, image), image) for image in images)
    return tuple(pair for pair in pairs if pair[0].label != pair[1].label)
