"""A real Chromium for tests, driven over its own protocol, and the checker of accessibility that runs in it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import installed

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Yield a headless Chromium; skips without one."""
    api = pytest.importorskip("playwright.sync_api")
    installed.require(("chromium",), ("chromium",))
    with api.sync_playwright() as driver:
        # No name is resolved: a page that asks somebody for something is seen to fail.
        options = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"]
        started = driver.chromium.launch(executable_path=installed.where("chromium"), args=options)
        yield started
        started.close()


def axe(folder: Path) -> str:
    """Return the script of axe-core, fetched into ``folder``; skips where it cannot be."""
    if not shutil.which("npm"):
        pytest.skip("no npm here, which brings axe-core")
    install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), "axe-core"]
    done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        pytest.skip("axe-core cannot be fetched with npm here")
    return (folder / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
