"""What all tests share: a cache and a working folder of their own, and the real photos where there are any."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

# For the tests of edgetl's own plugin: sessions inside this one.
pytest_plugins = ["pytester"]

REPOSITORY = Path(__file__).resolve().parent.parent

# Where tests are started in the background of a script, Ctrl-C is ignored, and so it would be by every command that
# they start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
