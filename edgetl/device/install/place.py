"""The folder of a model on a device, and the one atomic step in it.

::

    /opt/models/surface/
    ├── current -> versions/surface-1f0c9d2e7a55     what programs open; replaced by one rename
    ├── versions/
    │   ├── surface-1f0c9d2e7a55/
    │   │   ├── bundle.pyz                           the bundle as it came
    │   │   └── model/  golden/  bundle.json ...     its members, for programs that open the model themselves
    │   └── surface-77a0.../
    ├── incoming/<sha256>                            what has arrived so far of a bundle that is being sent
    ├── history                                      a line for each version that became current
    └── lock                                         held by whoever changes anything here

A version is put into ``versions`` only when it is whole: it is unpacked beside, written to disk, and renamed. So
whatever is killed at whatever moment, ``current`` leads to a whole version, the old one or the new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType

from edgetl.device.bundle.archive import BundleError
from edgetl.device.bundle.opened import Bundle
from edgetl.device.disk import sha256_file, sync

CURRENT, VERSIONS, INCOMING, HISTORY, LOCK = "current", "versions", "incoming", "history", "lock"
BUNDLE = "bundle.pyz"
_NEW = ".new-"
_WAIT_S = 20.0


class InstallError(RuntimeError):
    """The place cannot take a version now; the message is a sentence that says why."""


class Place:
    """A device's folder of one model, locked; a context manager.

    Raises InstallError where another holds the lock, OSError where the folder cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in (root / VERSIONS, root / INCOMING):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = (root / LOCK).open("ab")
        try:
            self._acquire()
            for left in (*(root / VERSIONS).glob(f"{_NEW}*"), *root.glob(f"{_NEW}*")):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> Place:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.close()

    @property
    def current(self) -> str | None:
        """The version that programs open; None before the first."""
        link = self.root / CURRENT
        return link.readlink().name if link.is_symlink() and link.is_dir() else None

    def versions(self) -> tuple[str, ...]:
        """Return the versions that are here, whole, sorted by name."""
        return tuple(sorted(path.name for path in (self.root / VERSIONS).iterdir() if not path.name.startswith(".")))

    def free_bytes(self) -> int:
        """Return how much may still be written here."""
        return shutil.disk_usage(self.root).free

    def arrived(self, sha256: str) -> tuple[int, str]:
        """Return how many bytes of a bundle are here, and their SHA-256."""
        path = self._incoming(sha256)
        if not path.is_file():
            return 0, hashlib.sha256().hexdigest()
        return path.stat().st_size, sha256_file(path)

    def append(self, sha256: str, offset: int, data: bytes) -> None:
        """Put bytes behind the first ``offset`` of those that arrived, in place of any that are there already."""
        path = self._incoming(sha256)
        with path.open("r+b" if path.exists() else "w+b") as file:
            if file.seek(0, os.SEEK_END) < offset:
                raise InstallError(f"only {file.tell()} bytes are here, not {offset}.")
            file.truncate(offset)
            file.seek(offset)
            file.write(data)

    def unpack(self, sha256: str) -> str:
        """Return the version that a bundle is, now that it has arrived and lies, whole, in ``versions``.

        Raises BundleError for one that is damaged: then nothing of it stays.
        """
        path = self._incoming(sha256)
        try:
            if not path.is_file() or sha256_file(path) != sha256:
                raise BundleError("did not arrive as it was sent (its SHA-256 differs)")
            with Bundle(path) as bundle:
                version = bundle.version
                if version not in self.versions():
                    self._put(bundle, path, version)
        except BundleError:
            path.unlink(missing_ok=True)
            raise
        path.unlink(missing_ok=True)
        return version

    def program(self, version: str) -> Path:
        """Return the bundle of a version, which is its program; raises InstallError when it is not here."""
        path = self.root / VERSIONS / version / BUNDLE
        if version not in self.versions() or not path.is_file():
            raise InstallError(f"There is no version {version} here.")
        return path

    def switch(self, version: str) -> None:
        """Make a version the current one: programs find either the one before or this one, never none."""
        self.program(version)
        if self.current != version:
            with (self.root / HISTORY).open("a", encoding="utf-8") as history:
                history.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {version}\n")
                history.flush()
                os.fsync(history.fileno())
        scratch = Path(tempfile.mkdtemp(prefix=_NEW, dir=self.root))
        try:
            link = scratch / CURRENT
            link.symlink_to(Path(VERSIONS) / version)
            link.replace(self.root / CURRENT)
            sync(self.root)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def previous(self) -> str:
        """Return the version that was current before; raises InstallError when there was none, or it was removed."""
        here, current = self.versions(), self.current
        for version in reversed(self._history()):
            if version != current and version in here:
                return version
        raise InstallError("There is no earlier version here to go back to.")

    def discard(self, version: str) -> None:
        """Remove a version that is not the current one."""
        if version != self.current and version in self.versions():
            # Its name goes at once: half of a version is never seen.
            gone = self.root / VERSIONS / f"{_NEW}{version}"
            (self.root / VERSIONS / version).rename(gone)
            shutil.rmtree(gone)

    def prune(self, keep: int) -> tuple[str, ...]:
        """Remove all but the current version and the ``keep`` - 1 that were current last; return those removed.

        What arrived of bundles that were never finished goes, too.
        """
        for part in (self.root / INCOMING).iterdir():
            part.unlink()
        recent = dict.fromkeys([self.current, *reversed(self._history())])
        kept = [version for version in recent if version in self.versions()][: max(1, keep)]
        removed = tuple(version for version in self.versions() if version not in kept)
        for version in removed:
            self.discard(version)
        return removed

    def _put(self, bundle: Bundle, path: Path, version: str) -> None:
        """Unpack a bundle beside its place and move it there."""
        scratch = Path(tempfile.mkdtemp(prefix=_NEW, dir=self.root / VERSIONS))
        try:
            folder = scratch / version
            folder.mkdir()
            for name in bundle.archive.members:
                place = folder / name
                place.parent.mkdir(parents=True, exist_ok=True)
                bundle.save(name, place)
            _linked(path, folder / BUNDLE)
            for each in (*folder.rglob("*"), folder):
                sync(each)
            folder.rename(self.root / VERSIONS / version)
            sync(self.root / VERSIONS)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _history(self) -> list[str]:
        """Return the versions in the order in which they became current."""
        with contextlib.suppress(OSError):
            lines = (self.root / HISTORY).read_text(encoding="utf-8", errors="replace").splitlines()
            return [line.split()[-1] for line in lines if line.strip()]
        return []

    def _incoming(self, sha256: str) -> Path:
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise InstallError("a bundle is named by its SHA-256.")
        return self.root / INCOMING / sha256

    def _acquire(self) -> None:
        deadline = time.monotonic() + _WAIT_S
        while True:
            try:
                # Goes with this process, however it ends.
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise InstallError(
                        f"Another shipping to {self.root} is under way. Try again when it is done."
                    ) from None
                time.sleep(0.2)
            else:
                return


def _linked(path: Path, place: Path) -> None:
    """Put a file under a second name; a copy where the file system has no hard links."""
    try:
        os.link(path, place)
    except OSError:
        shutil.copyfile(path, place)
