from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from pathlib import Path

import pytest

from edgetl.device.store import Store, StoreError

DATA = b"model"
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


def test_a_blob_is_kept_and_all_is_gone_afterwards() -> None:
    with Store() as store:
        assert not store.has(SHA, ".onnx")
        assert store.put(SHA, ".onnx", DATA).read_bytes() == DATA
        assert store.has(SHA, ".onnx")
        assert not store.has(SHA, ".json")
    assert not store.folder.exists()


def test_content_that_does_not_match_is_not_kept() -> None:
    with Store() as store:
        with pytest.raises(StoreError, match="damaged"):
            store.put(SHA, ".onnx", DATA + b"!")
        assert not store.has(SHA, ".onnx")


@pytest.mark.parametrize(
    ("sha", "suffix"),
    [("../" + "0" * 61, ".onnx"), (SHA, "/../../x"), (SHA, ".."), (SHA, ""), (SHA.upper(), ".onnx"), (SHA, ".onnx\n")],
)
def test_no_name_leads_out_of_the_folder(sha: str, suffix: str) -> None:
    with Store() as store, pytest.raises(StoreError, match="64 hex"):
        store.put(sha, suffix, DATA)


def test_folders_of_killed_runners_are_removed_and_those_of_living_ones_are_not() -> None:
    parent = Path(tempfile.gettempdir())
    dead, living, young = (parent / f"edgetl-device-{name}" for name in ("dead", "living", "young"))
    for folder in (dead, living, young):
        folder.mkdir()
        (folder / "lock").touch()
    for folder in (dead, living):
        os.utime(folder, (1, 1))
    with (living / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with Store():
            pass
    assert sorted(parent.iterdir()) == [living, young]
