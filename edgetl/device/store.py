"""The models that a host sent, by content, in a temporary folder that goes when the runner does."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from edgetl.device.leftovers import sweep

_SHA256 = re.compile(r"[0-9a-f]{64}")
# Engines choose a reader by the file's ending.
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
_PREFIX = "edgetl-device-"


class StoreError(ValueError):
    """A blob's name or content is not what it claims to be."""


class Store:
    """Blobs named by their SHA-256 and a file ending. A context manager: leaving it removes them all."""

    def __init__(self) -> None:
        sweep(Path(tempfile.gettempdir()), _PREFIX)
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        # Held as long as this process lives, however it dies: a folder whose lock is free has no owner any more.
        self._lock = (self.folder / "lock").open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()

    def path(self, sha256: str, suffix: str) -> Path:
        """Return where a blob lies or would lie, always inside the folder; raises StoreError for any other name."""
        if not _SHA256.fullmatch(sha256) or not _SUFFIX.fullmatch(suffix):
            raise StoreError("A blob is named by 64 hex digits and a short file ending such as '.onnx'.")
        return self.folder / f"{sha256}{suffix}"

    def has(self, sha256: str, suffix: str) -> bool:
        """Return whether the blob was put."""
        return self.path(sha256, suffix).is_file()

    def put(self, sha256: str, suffix: str, data: bytes) -> Path:
        """Write a blob and return its path; raises StoreError when the content has another hash."""
        path = self.path(sha256, suffix)
        actual = hashlib.sha256(data).hexdigest()
        if actual != sha256:
            raise StoreError(f"The content's SHA-256 is {actual[:12]}..., not {sha256[:12]}...: it came damaged.")
        path.write_bytes(data)
        return path
