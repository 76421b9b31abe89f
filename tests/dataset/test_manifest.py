"""Manifests of path and label."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgetl.dataset import scan
from edgetl.errors import DataError
from tests.photos import photo


@pytest.fixture
def rows(tmp_path: Path) -> list[tuple[str, str]]:
    listed = [(f"pool/{index}.png", "odd" if index % 2 else "even") for index in range(8)]
    for index, (path, _) in enumerate(listed):
        photo(tmp_path / path, seed=index)
    return listed


def test_csv_and_jsonl_say_the_same(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    # With the byte order mark and the line ends of a spreadsheet.
    text = "path,label\r\n" + "".join(f"{path},{label}\r\n" for path, label in rows)
    (tmp_path / "data.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (tmp_path / "data.jsonl").write_text(
        "\n".join(json.dumps({"path": path, "label": label}) for path, label in rows) + "\n\n"
    )
    csv, jsonl = scan(tmp_path / "data.csv"), scan(tmp_path / "data.jsonl")
    assert csv.sha256 == jsonl.sha256
    assert csv.classes == ("even", "odd")
    assert csv.source == "manifest"
    assert all(path.is_file() for path in csv.paths(csv.train))


def test_a_given_split_is_kept(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    splits = ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    lines = [f"{path},{label},{split}" for (path, label), split in zip(rows, splits, strict=True)]
    (tmp_path / "data.csv").write_text("\n".join(["path,label,split", *lines]))
    data = scan(tmp_path / "data.csv")
    assert (len(data.train), len(data.val), len(data.test)) == (4, 2, 2)


def test_a_listed_file_that_is_not_there_is_skipped(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    lines = [f"{path},{label}" for path, label in [*rows, ("pool/gone.png", "odd")]]
    (tmp_path / "data.csv").write_text("\n".join(["path,label", *lines]))
    assert [(item.path, item.reason) for item in scan(tmp_path / "data.csv").skipped] == [
        ("pool/gone.png", "no such file")
    ]


BAD = {
    "data.csv": [
        ("file,name\na.png,b", r"path,label.*'file,name'"),
        ("path,label\n,cat", r"line 2 has no path"),
        ("path,label\na.png,", r"line 2 has no label"),
        ("path,label,split\na.png,cat,trian", r"line 2: unknown split 'trian'.*'train'"),
        ("path,label,split\na.png,cat,train\nb.png,cat,", r"for some images only"),
        ("path,label\n", r"lists no images"),
    ],
    "data.jsonl": [
        ('{"path": "a.png", "label": "cat"}\n{"path"', r"line 2 is not JSON"),
        ('["a.png", "cat"]', r"line 1 is no object"),
    ],
    "data.xlsx": [("", r"\.csv or \.jsonl")],
}


@pytest.mark.parametrize(("name", "text", "message"), [(name, *case) for name, cases in BAD.items() for case in cases])
def test_a_bad_manifest_is_refused_with_its_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        scan(tmp_path / name)
