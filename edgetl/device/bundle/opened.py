"""Opening a bundle: what is in it is looked at only after every byte of it was found to be what it says.

::

    __main__.py  edgetl/...          the program: python BUNDLE verify | predict | bench
    bundle.json                      how to run the model, and what it must do
    model/model.onnx                 or model.zip, with OpenVINO's IR
    golden/0000.jpg ...              images, and golden/*.npy the logits that belong to them
    records/*.json  MODEL_CARD.md    how it came to be, for people and tools
    SHA256SUMS                       of all of these; `sha256sum -c` reads it
    model.sig                        in a signed one, OpenSSF Model Signing of all but itself
"""

from __future__ import annotations

import hashlib
import hmac
import io
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from edgetl.device.bundle.archive import Archive, BundleError
from edgetl.device.bundle.manifest import Manifest, decoded
from edgetl.device.bundle.onnx_file import require_self_contained

MANIFEST, SUMS, SIGNATURE = "bundle.json", "SHA256SUMS", "model.sig"
# By the ending of the file: ONNX, OpenVINO's IR, and a script of the `fake` provider.
MODELS = {suffix: f"model/model{suffix}" for suffix in (".onnx", ".zip", ".json")}
_MAX_TEXT = 1 << 26


class Bundle:
    """A bundle whose members all have the SHA-256 that it lists; a context manager.

    ``sums`` maps each member to it, but for the list itself and the signature.
    """

    def __init__(self, path: Path) -> None:
        """Open and check the file; raises BundleError, OSError."""
        self.path = path
        self.archive = Archive(path)
        try:
            self.sums = _checked(self.archive)
            self.manifest: Manifest = decoded(self._small(MANIFEST))
            _require_members(self.manifest, self.archive)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Bundle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.archive.close()

    @property
    def version(self) -> str:
        """What tells this bundle from any other: its name and the start of the SHA-256 of its list of hashes."""
        return f"{self.manifest.name}-{hashlib.sha256(self._small(SUMS)).hexdigest()[:12]}"

    @property
    def signed(self) -> bool:
        """Whether it carries a signature; whether that is right is another question."""
        return SIGNATURE in self.archive.members

    def logits(self, name: str) -> NDArray[np.float32]:
        """Return a member's logits, float32 (images, classes); raises BundleError for another array."""
        wanted = (len(self.manifest.golden.images), len(self.manifest.classes))
        try:
            array = np.load(io.BytesIO(self._small(name)), allow_pickle=False)
        except (ValueError, EOFError, OSError, SyntaxError, MemoryError):
            raise BundleError(f"has no array in {name}") from None
        if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.shape != wanted:
            raise BundleError(f"has an array in {name} that does not fit its images and classes")
        if not np.isfinite(array).all():
            raise BundleError(f"has logits in {name} that are no numbers")
        return array

    def save(self, name: str, path: Path) -> None:
        """Write a member to ``path``."""
        with path.open("wb") as file:
            for chunk in self.archive.chunks(name):
                file.write(chunk)

    def _small(self, name: str) -> bytes:
        member = self.archive.members.get(name)
        if member is None:
            raise BundleError(f"has no {name}")
        if member.size > _MAX_TEXT:
            raise BundleError(f"has a {name} of {member.size} bytes, which is too much")
        return self.archive.read(name)


def sums_text(sums: Mapping[str, str]) -> bytes:
    """Return the content of ``SHA256SUMS``, as `sha256sum` writes and checks it."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()


def _checked(archive: Archive) -> Mapping[str, str]:
    """Return the SHA-256 of all members; raises BundleError for one that is not what the list says."""
    if SUMS not in archive.members or archive.members[SUMS].size > _MAX_TEXT:
        raise BundleError(f"has no {SUMS}")
    listed = archive.read(SUMS)
    found = {name: _sha256(archive, name) for name in archive.members if name not in (SUMS, SIGNATURE)}
    if not hmac.compare_digest(sums_text(found), listed):
        raise BundleError(_difference(found, listed))
    _sha256(archive, SUMS)
    return found


def _sha256(archive: Archive, name: str) -> str:
    digest, crc = hashlib.sha256(), 0
    for chunk in archive.chunks(name):
        digest.update(chunk)
        crc = zlib.crc32(chunk, crc)
    if crc != archive.members[name].crc:
        raise BundleError(f"has a {name} that was changed (its checksum differs)")
    return digest.hexdigest()


def _difference(found: Mapping[str, str], listed: bytes) -> str:
    lines = (line.split("  ", 1) for line in listed.decode(errors="replace").splitlines())
    claimed = {parts[1]: parts[0] for parts in lines if len(parts) == 2}
    for name in sorted(claimed):
        if name not in found:
            return f"lacks {name[:80]!r}, which its {SUMS} lists"
        if found[name] != claimed[name]:
            return f"has a {name} that was changed (its SHA-256 differs)"
    for name in sorted(found):
        if name not in claimed:
            return f"has a {name} that its {SUMS} does not list"
    return f"has a damaged {SUMS}"


def _require_members(manifest: Manifest, archive: Archive) -> None:
    golden = manifest.golden
    for name in (manifest.model, golden.expected, golden.reference, *golden.images):
        if name not in archive.members:
            raise BundleError(f"lacks {name[:80]!r}, which its {MANIFEST} names")
    if manifest.model not in MODELS.values():
        raise BundleError(f"has its model in {manifest.model}, which is neither of {', '.join(MODELS.values())}")
    if manifest.model == MODELS[".onnx"]:
        require_self_contained(memoryview(archive.read(manifest.model)))
