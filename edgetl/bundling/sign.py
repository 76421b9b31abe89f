"""Signing a bundle with OpenSSF Model Signing, and checking a signature: with key pairs, offline.

What is signed is the folder of all members but the signature: `model_signing verify key` does the same check on a
bundle that was unpacked.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgetl.device.bundle.archive import BundleError, Content
from edgetl.device.bundle.opened import SIGNATURE, Bundle
from edgetl.errors import UsageError


def signature(contents: Mapping[str, Content], key: Path) -> bytes:
    """Return the signature of members by the private key in a PEM file (elliptic curve); raises UsageError."""
    signing = _module().signing
    _require(key, "private key")
    with tempfile.TemporaryDirectory(prefix="edgetl-") as scratch:
        folder, result = Path(scratch) / "bundle", Path(scratch) / SIGNATURE
        _laid_out(contents, folder)
        try:
            signing.Config().use_elliptic_key_signer(private_key=key).sign(folder, result)
        except Exception as error:
            raise UsageError(
                f"Cannot sign with {key}: {_said(error)}. Give an unencrypted PEM key (EC P-256)."
            ) from error
        return result.read_bytes()


def require_signed(bundle: Bundle, key: Path) -> None:
    """Raise BundleError unless the bundle carries a signature of all its members by the public ``key``'s private one.

    Raises UsageError for a file that is no public key.
    """
    verifying = _module().verifying
    _require(key, "public key")
    if not bundle.signed:
        raise BundleError("is not signed")
    with tempfile.TemporaryDirectory(prefix="edgetl-") as scratch:
        folder, claimed = Path(scratch) / "bundle", Path(scratch) / SIGNATURE
        names = [name for name in bundle.archive.members if name != SIGNATURE]
        _laid_out({name: bundle.archive.read(name) for name in names}, folder)
        claimed.write_bytes(bundle.archive.read(SIGNATURE))
        with _key_errors(key):
            config = verifying.Config().use_elliptic_key_verifier(public_key=key)
        try:
            config.verify(folder, claimed)
        except Exception as error:
            raise BundleError(f"is not signed by {key.name}, or was changed since ({_said(error)})") from error


@contextlib.contextmanager
def _key_errors(key: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise UsageError(f"{key} is no public key: {_said(error)}. Give a PEM file.") from error


def _laid_out(contents: Mapping[str, Content], folder: Path) -> None:
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())


def _require(key: Path, what: str) -> None:
    if not key.is_file():
        raise UsageError(f"There is no {what} {key}. Make a pair with `openssl ecparam -name prime256v1 -genkey`.")


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _module() -> Any:
    try:
        import model_signing
    except ImportError:
        raise UsageError("Signatures need model-signing. Run: pip install 'edgetl[sign]'") from None
    return model_signing
