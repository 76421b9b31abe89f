"""A list of files and labels beside the images: a CSV that the user gives."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from edgetl.dataset.layout import Found, Layout
from edgetl.dataset.manifest import SEPARATORS
from edgetl.errors import DataError, nearest_path

# In this order: the ImageNet sample's "name" is that of the class.
FILES = ("file", "path", "filename", "image", "name")
LABELS = ("label", "class", "index", "target", "class_index")


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


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, file and label of each row."""
    try:
        # Spreadsheets begin their CSV with a byte order mark.
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"There is no file of labels {path}.{nearest_path(path)} Check its name.") from None
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
