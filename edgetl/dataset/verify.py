"""Looking at every image once before anything is trained on it: is it whole, and what is its content's hash?"""

from __future__ import annotations

import hashlib
import io
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from edgetl.device.cores import cores_allowed
from edgetl.device.preprocess import ImageError, load_image
from edgetl.device.values import Preprocess
from edgetl.progress import Progress

# Small, so that JPEGs are decoded at an eighth of their size: all of their data is read, few pixels are made.
THUMBNAIL = Preprocess(resize=32, crop=32)
GRAPHIC_COLOURS = 64


@dataclass(frozen=True)
class Looked:
    """What a look at a file gave: its content's SHA-256, and why it cannot be used (empty if it can)."""

    sha256: str
    reason: str


def look_at(paths: Sequence[Path], progress: Progress) -> list[Looked]:
    """Return what a look at each of ``paths`` gave, in their order."""
    looked = []
    with ThreadPoolExecutor(cores_allowed()) as pool:
        for result in pool.map(_look, paths, chunksize=1):
            looked.append(result)
            progress.step("check images", len(looked), len(paths))
    return looked


def _look(path: Path) -> Looked:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return Looked("", "its name is not UTF-8; rename it")
    try:
        # Opening a pipe would wait for a writer for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            return Looked("", "not a regular file")
        data = path.read_bytes()
    except FileNotFoundError:
        return Looked("", "no such file")
    except OSError as error:
        return Looked("", (error.strerror or str(error)).lower())
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        load_image(data, THUMBNAIL)
    except ImageError as error:
        return Looked(sha256, str(error))
    if _is_web_graphic(data):
        return Looked(sha256, f"a web graphic (a still GIF of at most {GRAPHIC_COLOURS} colours), not a photo")
    return Looked(sha256, "")


def _is_web_graphic(data: bytes) -> bool:
    """Whether this is what web scrapers save as a photo that was deleted: a small drawn placeholder."""
    if data[:4] != b"GIF8":
        return False
    # Byte 10 of a GIF: bit 7 says that there is a palette, the low three bits n that it has 2 ** (n + 1) colours.
    flags = data[10]
    few = bool(flags & 0x80) and 2 ** ((flags & 7) + 1) <= GRAPHIC_COLOURS
    with Image.open(io.BytesIO(data), formats=("GIF",)) as image:
        return few and getattr(image, "n_frames", 1) == 1
