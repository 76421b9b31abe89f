"""What all tests share: a cache and a working folder of their own, and the real photos where there are any."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

# For the tests of edgetl's own plugin: sessions inside this one.
pytest_plugins = ["pytester"]

REPOSITORY = Path(__file__).resolve().parent.parent

# Where tests are started in the background of a script, Ctrl-C is ignored, and so it would be by every command that
# they start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What tests start is compiled once, as a user's edgetl is.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Of several test processes each keeps to a core of its own, with all that it starts: threads that spin on cores where
# other tests work make all of them slower.
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
if CORES and "PYTEST_XDIST_WORKER" in os.environ:
    os.sched_setaffinity(0, {CORES[int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw")) % len(CORES)]})


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in an empty folder with an empty cache, so that none sees what another left."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("EDGETL_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def every_core() -> Iterator[None]:
    """All cores that there are, for what shares them out."""
    if not CORES:
        yield
        return
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, CORES)
    yield
    os.sched_setaffinity(0, own)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with `datasets/` and `weights/` for tests on real photos; skips where there is none."""
    folder = Path(os.environ.get("EDGETL_DATA") or REPOSITORY.parent / "shared")
    if not (folder / "datasets").is_dir():
        pytest.skip("no real photos here: set EDGETL_DATA to a folder with datasets/ and weights/")
    return folder
