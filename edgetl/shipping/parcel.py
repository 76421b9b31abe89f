"""The bundle that is shipped, looked at once for all devices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgetl.device.bundle.archive import BundleError
from edgetl.device.bundle.manifest import Manifest
from edgetl.device.bundle.opened import Bundle
from edgetl.errors import UsageError, nearest_path
from edgetl.files import sha256_file


@dataclass(frozen=True)
class Parcel:
    """A whole bundle: the file, its hash and size, the version that it is, and what it says of itself."""

    path: Path
    sha256: str
    size_bytes: int
    version: str
    manifest: Manifest


def parcel(path: Path) -> Parcel:
    """Return the bundle in ``path``; raises UsageError for a file that is none, or not whole."""
    if not path.exists():
        raise UsageError(f"There is no bundle {path}.{nearest_path(path)} Make one with `edgetl bundle`.")
    try:
        with Bundle(path) as bundle:
            return Parcel(path, sha256_file(path), path.stat().st_size, bundle.version, bundle.manifest)
    except BundleError as error:
        raise UsageError(f"{path} {error}. Nothing was shipped.") from None
