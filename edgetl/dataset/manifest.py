"""Manifests: a CSV with the columns ``path,label[,split]``, or JSON Lines with those keys."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgetl.dataset.layout import SPLIT_FOLDERS, Found, Layout
from edgetl.errors import DataError, nearest

SUFFIXES = (".csv", ".jsonl")


def manifest(path: Path) -> Layout:
    """Return the images listed in ``path``, relative names taken from its folder; raises DataError with the line."""
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path} is no folder and no manifest: a manifest ends in {' or '.join(SUFFIXES)}.")
    try:
        # Spreadsheets begin their CSV with a byte order mark.
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The manifest {path} cannot be read as UTF-8 text: {error}.") from error
    rows = _csv_rows(text, path) if path.suffix.lower() == ".csv" else _json_rows(text, path)
    found = tuple(_found(row, f"{path}, line {line}", path.parent) for line, row in rows)
    if not found:
        raise DataError(f"The manifest {path} lists no images.")
    if len({item.split is None for item in found}) > 1:
        raise DataError(
            f"The manifest {path} gives a split for some images only. Give one for all of them, or for none."
        )
    return Layout("manifest", found)


def _csv_rows(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    columns = reader.fieldnames or []
    if not {"path", "label"} <= set(columns):
        raise DataError(
            f"The first line of {path} must name the columns path,label[,split]; it is '{','.join(columns)}'."
        )
    for row in reader:
        yield reader.line_num, row


def _json_rows(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number} is not JSON: {error}.") from error
        if not isinstance(row, dict):
            raise DataError(f'{path}, line {number} is no object such as {{"path": "a.jpg", "label": "cat"}}.')
        yield number, row


def _found(row: Mapping[str, Any], where: str, folder: Path) -> Found:
    path, label, split = (row.get(key) for key in ("path", "label", "split"))
    if path in (None, "") or label in (None, ""):
        raise DataError(f"{where} has no {'path' if path in (None, '') else 'label'}.")
    if split not in (None, "") and str(split).lower() not in SPLIT_FOLDERS:
        raise DataError(
            f"{where}: unknown split '{split}'.{nearest(str(split), SPLIT_FOLDERS)} Known are train, val, test."
        )
    return Found(folder / str(path), str(label), SPLIT_FOLDERS[str(split).lower()] if split else None)
