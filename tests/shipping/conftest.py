"""Devices for tests of shipping: real ssh servers on the loopback, and a Python there that has no edgetl."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgetl.device.bundle.opened import Bundle
from edgetl.device.install.place import BUNDLE, CURRENT
from tests import sshd


@dataclass(frozen=True)
class Devices:
    """``addresses`` without a path, the Python that is there, and a folder that all of them can write."""

    addresses: tuple[str, ...]
    python: str
    folder: Path

    def root(self, index: int = 0) -> Path:
        """Return where a device keeps its versions."""
        return self.folder / f"device-{index}"

    def address(self, index: int = 0) -> str:
        """Return a device's address with its root."""
        return f"{self.addresses[index]}{self.root(index)}"

    def serves(self, index: int = 0) -> str | None:
        """Return the version that programs find on a device, every byte of it looked at; None before the first."""
        current = self.root(index) / CURRENT
        if not current.exists():
            return None
        with Bundle(current / BUNDLE) as bundle:
            for name in bundle.archive.members:
                assert (current / name).read_bytes() == bundle.archive.read(name)
            return bundle.version


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Devices]:
    """Five devices."""
    python = tmp_path / "python"
    # As on a device: nothing is found in the current folder, nor in an installed checkout.
    packages = os.pathsep.join(each for each in sys.path if "site-packages" in each)
    python.write_text(f'#!/bin/sh\ncd / && PYTHONPATH={packages} exec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    with sshd.servers(tmp_path / "ssh", 5) as addresses:
        monkeypatch.setenv("PATH", f"{tmp_path / 'ssh' / 'bin'}:{os.environ['PATH']}")
        yield Devices(addresses, str(python), tmp_path)
