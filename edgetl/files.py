"""Writing files so that a killed process leaves either the old or the new one, and naming them by content."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgetl.device.disk import sha256_file, sync
from edgetl.errors import UsageError

__all__ = [
    "cache_dir",
    "data_dir",
    "replacing",
    "replacing_together",
    "require_place",
    "sha256_file",
    "write_bytes",
    "write_text",
]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on a clean exit flush it to disk and rename it over ``path``.

    Raises UsageError when the disk is full or the folder cannot be written; ``path`` is then untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The suffix is kept because writers such as onnx and torch look at it.
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_together(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder inside ``folder``; on a clean exit move all of its files there, one right after another.

    For files that only make sense together. Raises UsageError like `replacing`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as name:
            yield Path(name)
            for path in sorted(Path(name).iterdir()):
                path.replace(folder / path.name)
        sync(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error


def require_place(folder: Path) -> None:
    """Raise UsageError where no file could be written into ``folder``, which need not be there yet."""
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise _unwritable(folder, NotADirectoryError(errno.ENOTDIR, f"{nearest} is not a folder"))
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise _unwritable(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def cache_dir() -> Path:
    """Return the folder for what can be made again: ``$EDGETL_CACHE``, else ``$XDG_CACHE_HOME/edgetl``."""
    if chosen := os.environ.get("EDGETL_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgetl"


def data_dir(name: str) -> Path:
    """Return the folder ``name`` (``targets``, ``calibration`` or ``docs``) that is packaged, or lies in a checkout."""
    package = Path(__file__).parent
    packaged = package / "_data" / name
    return packaged if packaged.is_dir() else package.parent / name


def _unwritable(path: Path, error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UsageError(f"The disk is full: {path} was not written and what was there is unchanged. Free some space.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT):
        choice = "$EDGETL_CACHE" if path.is_relative_to(cache_dir()) else "--out or --run"
        return UsageError(f"Cannot write {path}: {error.strerror}. Choose another folder with {choice}.")
    return error
