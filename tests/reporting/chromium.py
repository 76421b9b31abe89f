"""A real Chromium for tests, driven over its own protocol, and the checker of accessibility that runs in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def require() -> str:
    """Return where Chromium is, installed if need be; skips where it cannot be."""
    for attempt in range(2):
        found = shutil.which("chromium")
        if found:
            return found
        if attempt or os.geteuid() or not shutil.which("apt-get"):
            break
        subprocess.run(["apt-get", "install", "-y", "-q", "chromium"], capture_output=True, check=False, timeout=500)
    pytest.skip("no Chromium here, and it cannot be installed (apt-get install chromium as root)")


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Yield a headless Chromium; skips without one."""
    api = pytest.importorskip("playwright.sync_api")
    path = require()
    with api.sync_playwright() as driver:
        # No name is resolved: a page that asks somebody for something is seen to fail.
        options = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"]
        started = driver.chromium.launch(executable_path=path, args=options)
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
