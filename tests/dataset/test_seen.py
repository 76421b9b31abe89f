"""A scan does not decode again what has not changed, and trusts nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgetl.dataset import scan, seen, verify
from edgetl.files import cache_dir
from tests.photos import class_folders, photo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "photos", {"red": 6, "blue": 6})


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The contents of the files that were decoded."""
    contents: list[bytes] = []
    real = verify.load_image

    def load_image(data: bytes, *rest: object) -> object:
        contents.append(data)
        return real(data, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(verify, "load_image", load_image)
    return contents


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make as much time pass before each scan as files need to be trusted."""
    real = time.time_ns
    monkeypatch.setattr(seen.time, "time_ns", lambda: real() + 3 * 10**9)


def stored() -> list[Path]:
    return sorted((cache_dir() / "scans").glob("*"))


@pytest.mark.usefixtures("settled")
def test_a_second_scan_decodes_nothing_and_says_the_same(folder: Path, decoded: list[bytes]) -> None:
    first = scan(folder)
    assert len(decoded) == 12
    assert scan(folder) == first
    assert len(decoded) == 12


@pytest.mark.usefixtures("settled")
def test_only_what_changed_or_came_is_decoded(folder: Path, decoded: list[bytes]) -> None:
    first = scan(folder)
    photo(folder / "red" / "000.png", seed=77)
    photo(folder / "red" / "new.png", seed=78)
    decoded.clear()
    second = scan(folder)
    assert set(decoded) == {(folder / "red" / name).read_bytes() for name in ("000.png", "new.png")}
    assert second.sha256 != first.sha256
    decoded.clear()
    assert scan(folder) == second
    assert not decoded


@pytest.mark.usefixtures("settled")
def test_a_file_of_the_same_size_and_time_in_its_place_is_read(folder: Path) -> None:
    scan(folder)
    path = folder / "red" / "000.png"
    status, content = path.stat(), path.read_bytes()
    path.with_name("other").write_bytes(bytes(len(content)))
    os.utime(path.with_name("other"), ns=(status.st_atime_ns, status.st_mtime_ns))
    path.with_name("other").replace(path)
    assert path.stat().st_size == status.st_size
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert [item.path for item in scan(folder).skipped] == ["red/000.png"]


def test_a_file_changed_right_before_the_scan_is_not_trusted(folder: Path, decoded: list[bytes]) -> None:
    scan(folder)
    scan(folder)
    assert len(decoded) == 24


@pytest.mark.usefixtures("settled")
def test_a_damaged_image_is_reported_by_every_scan(folder: Path) -> None:
    (folder / "red" / "half.png").write_bytes((folder / "red" / "000.png").read_bytes()[:200])
    assert scan(folder).skipped == scan(folder).skipped != ()


DAMAGE = {
    "empty": b"",
    "truncated": None,
    "no archive": b"what is this",
    "another compression": b"compression",
    "another array": b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }" + b" " * 60,
}


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_ignored_and_mended(folder: Path, decoded: list[bytes], damage: bytes | None) -> None:
    first = scan(folder)
    (file,) = stored()
    content = file.read_bytes()
    if damage is None:
        damage = content[:-300]
    if damage == b"compression":
        # Bytes 8 and 9 of an entry of the directory are its flags, 10 and 11 its compression.
        place = content.index(b"PK\x01\x02") + 10
        damage = content[:place] + b"\x63" + content[place + 1 :]
    file.write_bytes(damage)
    assert scan(folder) == first
    assert len(decoded) == 24
    assert scan(folder) == first
    assert len(decoded) == 24


@pytest.mark.usefixtures("settled")
def test_a_cache_that_cannot_be_written_is_no_error(folder: Path, decoded: list[bytes]) -> None:
    cache_dir().mkdir(parents=True, exist_ok=True)
    (cache_dir() / "scans").write_text("in the way")
    assert scan(folder) == scan(folder)
    assert len(decoded) == 24


@pytest.mark.usefixtures("settled")
def test_scans_at_once_do_not_disturb_each_other(folder: Path) -> None:
    first = scan(folder)
    with ThreadPoolExecutor(4) as pool:
        assert all(data == first for data in pool.map(lambda _: scan(folder), range(8)))
    assert len(stored()) == 1


@pytest.mark.usefixtures("settled")
def test_old_data_sets_go_when_there_is_too_much(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        scan(class_folders(tmp_path / f"set-{number}", {"red": 3, "blue": 3}, seed=number))
        os.utime(max(stored(), key=lambda path: path.stat().st_mtime_ns), ns=(number, number))
    size = stored()[0].stat().st_size
    monkeypatch.setattr(seen, "LIMIT", int(3.5 * size))
    scan(folder)
    assert len(stored()) < 4
    assert sum(path.stat().st_size for path in stored()) <= 3.5 * size
