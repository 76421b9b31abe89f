"""What the user's labels mean to the model: class indices, from a list, from names, or from the order of folders."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgetl.dataset.layout import Found, Layout
from edgetl.dataset.manifest import SEPARATORS
from edgetl.dataset.values import Source
from edgetl.errors import DataError

# In this order: the ImageNet sample's "name" is that of the class.
FILES = ("file", "path", "filename", "image", "name")
LABELS = ("label", "class", "index", "target", "class_index")

NONE = "No label says what the images show: candidates are judged by their agreement with the fp32 model."


@dataclass(frozen=True)
class Meaning:
    """The names of the model's classes in the order of its outputs, and each label's name among them.

    ``names`` is None where the labels do not tell the model's classes; ``remark`` is what the user should know.
    """

    classes: tuple[str, ...]
    names: Mapping[str, str] | None
    remark: str = ""


def listed(labels: Path, place: Path) -> Layout:
    """Return the images that the CSV ``labels`` lists, relative to the folder of images ``place`` (or its manifest's).

    Raises DataError with the line that is wrong, or for a file that is not there.
    """
    folder = place if place.is_dir() else place.parent
    found: dict[Path, tuple[int, Found]] = {}
    for line, name, label in _rows(labels):
        path = folder / name
        if not name or not label:
            raise DataError(f"{labels}, line {line} has no {'label' if name else 'file'}.")
        if "\0" in name or not path.is_file():
            raise DataError(f"{labels}, line {line} names '{name}', which is not in {folder}. Check the list.")
        earlier, other = found.setdefault(path, (line, Found(path, label, None)))
        if other.label != label:
            raise DataError(
                f"{labels}, line {line} labels '{name}' with '{label}', line {earlier} with '{other.label}'. Keep one."
            )
    if not found:
        raise DataError(f"{labels} lists no images.")
    return Layout("manifest", tuple(item for _, item in found.values()))


def of_list(labels: Sequence[str], known: Sequence[str], outputs: int, where: Path) -> Meaning:
    """Return the meaning of labels that the user listed in ``where``: names that are known, or class indices.

    Raises DataError for a label that is neither.
    """
    if known and set(labels) <= set(known):
        return Meaning(tuple(known), {label: label for label in labels})
    classes = tuple(known) or numbered(outputs)
    wrong = sorted(label for label in set(labels) if not (_is_number(label) and int(label) < outputs))
    if wrong:
        names = f" and no name of a class such as '{known[0]}'" if known else ""
        raise DataError(
            f"The label '{wrong[0]}' in {where} is no class index from 0 to {outputs - 1}{names}. The model has "
            f"{outputs} classes."
        )
    return Meaning(classes, {label: classes[int(label)] for label in labels})


def of_layout(labels: Sequence[str], known: Sequence[str], outputs: int, source: Source) -> Meaning:
    """Return the meaning of labels that folders or a manifest give, where they tell the model's classes."""
    distinct = sorted(set(labels))
    classes = tuple(known) or numbered(outputs)
    if distinct == [""]:
        return Meaning(classes, None, NONE)
    if known and set(distinct) <= set(known):
        return Meaning(classes, {label: label for label in distinct})
    numbers = all(_is_number(label) for label in distinct)
    if source == "manifest" and numbers and all(int(label) < outputs for label in distinct):
        return Meaning(classes, {label: classes[int(label)] for label in distinct})
    # Folders "10" and "2": torchvision would sort them as text, and someone may have counted.
    one_order = not numbers or distinct == sorted(distinct, key=int)
    if not known and len(distinct) == outputs and one_order:
        remark = (
            f"The {outputs} labels in alphabetical order are taken for the model's {outputs} classes, as torchvision's "
            f"ImageFolder counts: '{distinct[0]}' is 0. If that is wrong, give --labels."
        )
        return Meaning(tuple(distinct), {label: label for label in distinct}, remark)
    return Meaning(
        classes,
        None,
        f"The {len(distinct)} labels do not tell which of the model's {outputs} classes they are: candidates are "
        "judged by their agreement with the fp32 model. To judge by labels, give --labels with class indices.",
    )


def numbered(outputs: int) -> tuple[str, ...]:
    """Return the names of classes whose names nobody knows."""
    return tuple(str(index) for index in range(outputs))


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, file and label of each row."""
    try:
        # Spreadsheets begin their CSV with a byte order mark.
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"There is no file of labels {path}. Check its name.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The labels {path} cannot be read as UTF-8 text: {error}.") from error
    header = text.partition("\n")[0]
    separator = max(SEPARATORS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        file, label = (
            next((columns.index(each) for each in names if each in columns), None) for names in (FILES, LABELS)
        )
        if file is None or label is None or file == label:
            raise DataError(
                f"The first line of {path} must name the columns file,label; it is '{header.strip()[:200]}'."
            )
        for row in reader:
            if row:
                cells = [*row, *[""] * len(columns)]
                yield reader.line_num, cells[file], unicodedata.normalize("NFC", cells[label].strip())
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num} is no CSV: {error}.") from error


def _is_number(label: str) -> bool:
    # Not isdigit alone, which takes superscripts as well.
    return label.isascii() and label.isdigit()
