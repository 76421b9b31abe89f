"""What all tests share: a cache and a working folder of their own, and the real photos where there are any."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in an empty folder with an empty cache, so that none sees what another left."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("EDGETL_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with `datasets/` and `weights/` for tests on real photos; skips where there is none."""
    folder = Path(os.environ.get("EDGETL_DATA") or REPOSITORY.parent / "shared")
    if not (folder / "datasets").is_dir():
        pytest.skip("no real photos here: set EDGETL_DATA to a folder with datasets/ and weights/")
    return folder
