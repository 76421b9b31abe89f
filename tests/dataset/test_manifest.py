"""Manifests of path and label."""

from __future__ import annotations

import csv
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
    data = scan(tmp_path / "data.csv")
    assert scan(tmp_path / "data.jsonl").sha256 == data.sha256
    assert data.classes == ("even", "odd")
    assert data.source == "manifest"
    assert all(path.is_file() for path in data.paths(data.train))


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


@pytest.mark.parametrize(
    "text",
    [
        "path;label\n{}",
        "path\tlabel\n{}",
        "label,note,path\n{}",
        " Path , LABEL \n{}",
    ],
    ids=["semicolons", "tabs", "other columns", "spelling"],
)
def test_the_first_line_says_how_the_rest_is_written(tmp_path: Path, rows: list[tuple[str, str]], text: str) -> None:
    (tmp_path / "plain.csv").write_text("path,label\n" + "\n".join(f"{path},{label}" for path, label in rows))
    separator = next((mark for mark in ";\t" if mark in text), ",")
    order = (lambda path, label: (label, "a note", path)) if "note" in text else (lambda path, label: (path, label))
    lines = "\n".join(separator.join(order(path, label)) for path, label in rows)
    (tmp_path / "data.csv").write_text(text.format(lines))
    assert scan(tmp_path / "data.csv").sha256 == scan(tmp_path / "plain.csv").sha256


NAMES = ("one, two.png", 'a "quote".png', "line\nbreak.png", "\u2028 and \x85.png", " blank.png", "größe 🐝.png")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_names_with_any_characters_are_found(tmp_path: Path, kind: str) -> None:
    for index, name in enumerate(NAMES):
        photo(tmp_path / name, seed=index)
    listed = [(name, "odd" if index % 2 else "even, \u00e9") for index, name in enumerate(NAMES)]
    path = tmp_path / f"data.{kind}"
    with path.open("w", encoding="utf-8", newline="") as file:
        if kind == "csv":
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("path", "label"), *listed])
        else:
            file.writelines(
                json.dumps({"path": name, "label": label}, ensure_ascii=False) + "\n" for name, label in listed
            )
    data = scan(path)
    assert not data.skipped
    assert sorted(image.path for image in data.train + data.val + data.test) == sorted(NAMES)
    assert data.classes == ("even, \u00e9", "odd")


def test_paths_may_be_absolute_or_lead_outside(tmp_path: Path) -> None:
    for index in range(6):
        photo(tmp_path / "pool" / f"{index}.png", seed=index)
    (tmp_path / "lists").mkdir()
    lines = [f"../pool/{index}.png,{'ab'[index % 2]}" for index in range(3)]
    lines += [f"{tmp_path}/pool/{index}.png,{'ab'[index % 2]}" for index in range(3, 6)]
    (tmp_path / "lists" / "data.csv").write_text("\n".join(["path,label", *lines]))
    data = scan(tmp_path / "lists" / "data.csv")
    images = data.train + data.val + data.test
    assert {path.resolve() for path in data.paths(images)} == set((tmp_path / "pool").iterdir())


def test_a_row_listed_twice_counts_once_and_labels_are_one_however_they_are_written(
    tmp_path: Path, rows: list[tuple[str, str]]
) -> None:
    lines = [f"{path},{label}" for path, label in rows]
    (tmp_path / "data.csv").write_text("\n".join(["path,label", *lines, f"./{lines[0]}", f"{lines[1]} "]))
    (tmp_path / "once.csv").write_text("\n".join(["path,label", *lines]))
    assert scan(tmp_path / "data.csv").sha256 == scan(tmp_path / "once.csv").sha256


def test_classes_may_be_numbers_in_json(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    lines = [json.dumps({"path": path, "label": index % 2}) for index, (path, _) in enumerate(rows)]
    (tmp_path / "data.jsonl").write_text("\n".join(lines))
    assert scan(tmp_path / "data.jsonl").classes == ("0", "1")


BAD = {
    "data.csv": [
        ("", r"must name the columns"),
        ("path\na.png", r"must name the columns.*'path'"),
        ("path,label\na.png,cat\nb, c.png,cat", r"line 3 has more fields.*quotes"),
        ('path,label\n"a.png,cat\nb.png,cat', r"is no CSV"),
        ("path,label\na.png", r"line 2 has no label"),
        ("path,label\na.png,cat\na.png,dog", r"line 3 lists .*a.png as 'dog', but .*line 2 as 'cat'"),
        ("path,label,split\na.png,cat,train\na.png,cat,val", r"as 'cat' in val, but .*line 2 as 'cat' in train"),
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
        ('{"path": "a.png", "label": ["cat"]}', r'line 1: the label must be text, not \["cat"\]'),
        ('{"path": "a.png", "label": true}', r"the label must be text, not true"),
        ('{"path": 1.5, "label": "cat"}', r"the path must be text, not 1.5"),
        ('{"path": "a\\u0000.png", "label": "cat"}', r"the path holds a character"),
        ('{"path": "a.png", "label": "\\ud800"}', r"the label holds a character"),
        ("[" * 100_000, r"line 1 is not JSON"),
    ],
    "data.xlsx": [("", r"\.csv or \.jsonl")],
}


@pytest.mark.parametrize(("name", "text", "message"), [(name, *case) for name, cases in BAD.items() for case in cases])
def test_a_bad_manifest_is_refused_with_its_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        scan(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_manifest_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes("path,label\ngröße.png,a\n".encode("latin-1"))
    with pytest.raises(DataError, match="cannot be read as UTF-8"):
        scan(tmp_path / "data.csv")
