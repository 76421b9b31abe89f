"""Manifests: a CSV with the columns ``path,label[,split]``, or JSON Lines with those keys."""

from __future__ import annotations

import csv
import io
import json
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edgetl.dataset.layout import SPLIT_FOLDERS, Found, Layout, is_text
from edgetl.errors import DataError, nearest

SUFFIXES = (".csv", ".jsonl")
# Spreadsheets separate by semicolons where the comma is the decimal sign.
SEPARATORS = ",;\t"


def manifest(path: Path) -> Layout:
    """Return the images listed in ``path``, relative names taken from its folder; raises DataError with the line.

    An image that is listed twice is taken once.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path} is no folder and no manifest: a manifest ends in {' or '.join(SUFFIXES)}.")
    try:
        # Spreadsheets begin their CSV with a byte order mark.
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The manifest {path} cannot be read as UTF-8 text: {error}.") from error
    rows = _csv_rows(text, path) if path.suffix.lower() == ".csv" else _json_rows(text, path)
    found = _once((f"{path}, line {line}", _found(row, f"{path}, line {line}", path.parent)) for line, row in rows)
    if not found:
        raise DataError(f"The manifest {path} lists no images.")
    if len({item.split is None for item in found}) > 1:
        raise DataError(
            f"The manifest {path} gives a split for some images only. Give one for all of them, or for none."
        )
    return Layout("manifest", found)


def _csv_rows(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    header = text.partition("\n")[0]
    separator = max(SEPARATORS, key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    try:
        columns = [name.strip().lower() for name in reader.fieldnames or []]
        if not {"path", "label"} <= set(columns):
            raise DataError(
                f"The first line of {path} must name the columns path,label[,split]; it is '{header.strip()[:200]}'."
            )
        reader.fieldnames = columns
        for row in reader:
            if None in row:
                raise DataError(
                    f"{path}, line {reader.line_num} has more fields than the first line names. Put fields that hold "
                    f"'{separator}' in double quotes."
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num} is no CSV: {error}.") from error


def _json_rows(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    # Not `splitlines`: it also splits at separators that may stand inside a JSON string.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number} is not JSON: {error}.") from error
        if not isinstance(row, dict):
            raise DataError(f'{path}, line {number} is no object such as {{"path": "a.jpg", "label": "cat"}}.')
        yield number, row


def _found(row: Mapping[str, Any], where: str, folder: Path) -> Found:
    path, label, split = (_text(row.get(key), key, where) for key in ("path", "label", "split"))
    if not path or not label:
        raise DataError(f"{where} has no {'label' if path else 'path'}.")
    if split and split.lower() not in SPLIT_FOLDERS:
        raise DataError(f"{where}: unknown split '{split}'.{nearest(split, SPLIT_FOLDERS)} Known are train, val, test.")
    # The same name can be stored composed or decomposed: a class is one class either way.
    return Found(folder / path, unicodedata.normalize("NFC", label), SPLIT_FOLDERS[split.lower()] if split else None)


def _text(value: object, key: str, where: str) -> str:
    """Return a field as text; classes may be numbers in JSON."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(f"{where}: the {key} must be text, not {json.dumps(value)[:80]}.")
    text = str(value) if key == "path" else str(value).strip()
    if "\0" in text or not is_text(text):
        raise DataError(f"{where}: the {key} holds a character that no name can have.")
    return text


def _once(items: Iterable[tuple[str, Found]]) -> tuple[Found, ...]:
    """Return each image once; raises DataError for one in two classes or splits."""
    first: dict[str, tuple[str, Found]] = {}
    for where, item in items:
        earlier, other = first.setdefault(os.path.normpath(item.path), (where, item))
        if (item.label, item.split) != (other.label, other.split):
            here, there = (f"'{one.label}'" + (f" in {one.split}" if one.split else "") for one in (item, other))
            raise DataError(
                f"{where} lists {item.path} as {here}, but {earlier} as {there}: an image has one class and is in one "
                "split."
            )
    return tuple(item for _, item in first.values())
