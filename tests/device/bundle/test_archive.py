"""The one form of a bundle: what is written can be read by anything that reads zips; nothing else is taken for one."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from edgetl.device.bundle.archive import PREFIX, Archive, BundleError, write

FILES = {"b/c.txt": b"third", "a.txt": b"first", "b.txt": b"", "b/a.bin": bytes(range(256)) * 5000}


def written(path: Path, files: dict[str, bytes | Path] | None = None) -> Path:
    with path.open("wb") as file:
        write(file, FILES if files is None else files)
    return path


def refused(path: Path) -> str:
    with pytest.raises(BundleError) as told:
        Archive(path)
    return str(told.value)


def test_what_is_written_is_read_again_here_and_by_any_zip_program(tmp_path: Path) -> None:
    path = written(tmp_path / "x.pyz")
    with Archive(path) as archive:
        assert {name: archive.read(name) for name in archive.members} == FILES
    with zipfile.ZipFile(path) as other:
        assert other.testzip() is None
        assert {name: other.read(name) for name in other.namelist()} == FILES
    assert path.read_bytes().startswith(PREFIX)


def test_the_order_in_which_members_are_given_and_where_they_come_from_change_no_byte(tmp_path: Path) -> None:
    file = tmp_path / "content"
    file.write_bytes(FILES["b/a.bin"])
    turned = dict(reversed(list(FILES.items()))) | {"b/a.bin": file}
    assert written(tmp_path / "1").read_bytes() == written(tmp_path / "2", turned).read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "../up",
        "/root",
        "a/../b",
        "a//b",
        "a/",
        ".hidden",
        "a/.b",
        "C:/x",
        "a\\b",
        "a\nb",
        "a\0b",
        "é",
        "",
        "-rf",
        "x" * 201,
    ],
)
def test_names_that_lead_elsewhere_are_neither_written_nor_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError, match="name is not allowed"):
        write(io.BytesIO(), {name: b"x"})


@pytest.mark.parametrize("names", [("a", "A"), ("a", "a/b"), ("A", "a/b")])
def test_names_that_are_one_on_some_system_are_refused(names: tuple[str, str]) -> None:
    with pytest.raises(BundleError):
        write(io.BytesIO(), dict.fromkeys(names, b"x"))


def test_an_archive_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pyz"
    path.write_bytes(PREFIX)
    with zipfile.ZipFile(path, "a") as other:
        for name, content in sorted(FILES.items()):
            other.writestr(name, content)
    assert "another program" in refused(path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    data = bytearray(written(tmp_path / "x.pyz").read_bytes())
    at = data.index(b"PK\1\2") + 38
    data[at : at + 4] = ((kind | 0o777) << 16).to_bytes(4, "little")
    path = tmp_path / "y.pyz"
    path.write_bytes(data)
    assert "another program" in refused(path)


def test_a_member_that_unpacks_to_more_than_the_file_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pyz"
    path.write_bytes(PREFIX)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as other:
        other.writestr("bomb", bytes(50_000_000))
    assert refused(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "not an edgetl bundle"), (b"PK\3\4" * 20, "not an edgetl bundle"), (PREFIX + bytes(30), "cut off")],
)
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "x.pyz"
    path.write_bytes(content)
    assert why in refused(path)


def test_an_archive_that_ends_too_soon_or_too_late_is_refused(tmp_path: Path) -> None:
    whole = written(tmp_path / "x.pyz").read_bytes()
    path = tmp_path / "y.pyz"
    for cut in (1, 21, 22, 100, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:-cut])
        assert refused(path)
    path.write_bytes(whole + b"x")
    assert refused(path)


def test_a_folder_or_a_pipe_is_no_bundle(tmp_path: Path) -> None:
    import os

    assert "not a file" in refused(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "not a file" in refused(tmp_path / "pipe")
    assert "does not exist" in refused(tmp_path / "nothing")
