"""Looking at every image once before anything is trained on it: is it whole, what is its content, what does it show?"""

from __future__ import annotations

import hashlib
import io
import stat
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgetl.dataset.descriptor import SIDE, Descriptors, describe
from edgetl.dataset.layout import is_text
from edgetl.dataset.seen import Look, Seen
from edgetl.device.cores import cores_allowed
from edgetl.device.preprocess import ImageError, load_image
from edgetl.device.values import Preprocess
from edgetl.progress import Progress

# Small, so that JPEGs are decoded at an eighth of their size: all of their data is read, few pixels are made.
THUMBNAIL = Preprocess(resize=SIDE, crop=SIDE)
GRAPHIC_COLOURS = 64
# Images looked at by a thread in one go: describing them together costs a third.
TOGETHER = 16
# No image that can be decoded within the limit of pixels is larger; a film left among photos may be.
MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class Looked:
    """What a look at a file gave: its content's SHA-256, its descriptor, or why it cannot be used (empty if it can)."""

    sha256: str
    reason: str
    descriptor: Descriptors | None = None


@dataclass(frozen=True)
class _Opened:
    """A file that was read now (``pixels`` if it is an image), or that was seen before (``look``)."""

    name: bytes | None = None
    sha256: str = ""
    reason: str = ""
    pixels: NDArray[np.uint8] | None = None
    look: Look | None = None


def look_at(paths: Sequence[Path], progress: Progress, seen: Seen | None = None) -> list[Looked]:
    """Return what a look at each of ``paths`` gave, in their order; files that were ``seen`` unchanged are not read."""
    looked: list[Looked] = []
    names: list[bytes | None] = []
    parts = iter([paths[start : start + TOGETHER] for start in range(0, len(paths), TOGETHER)])
    workers = cores_allowed()
    with ThreadPoolExecutor(workers) as pool:
        # Few at a time: a future for each of a million files would need more memory than what they give.
        waiting = deque(pool.submit(_look, part, seen) for part in islice(parts, 4 * workers))
        try:
            while waiting:
                for name, result in waiting.popleft().result():
                    names.append(name)
                    looked.append(result)
                progress.step("check images", len(looked), len(paths))
                waiting.extend(pool.submit(_look, part, seen) for part in islice(parts, 1))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    if seen is not None:
        seen.keep(
            (name, Look(look.sha256, look.descriptor))
            for name, look in zip(names, looked, strict=True)
            if look.descriptor is not None
        )
    return looked


def _look(paths: Sequence[Path], seen: Seen | None) -> list[tuple[bytes | None, Looked]]:
    opened = [_open(path, seen) for path in paths]
    decoded = [one.pixels for one in opened if one.pixels is not None]
    described = iter(describe(np.stack(decoded))) if decoded else iter(())
    looked = []
    for one in opened:
        if one.look is not None:
            result = Looked(one.look.sha256, "", one.look.descriptor)
        else:
            result = Looked(one.sha256, one.reason, None if one.pixels is None else next(described))
        looked.append((one.name, result))
    return looked


def _open(path: Path, seen: Seen | None) -> _Opened:
    if not is_text(str(path)):
        return _Opened(reason="its name is not UTF-8; rename it")
    try:
        status = path.stat()
        # Opening a pipe would wait for a writer for ever.
        if not stat.S_ISREG(status.st_mode):
            return _Opened(reason="not a regular file")
        if status.st_size > MAX_BYTES:
            return _Opened(reason="too large: more than 1 GiB")
        name = None if seen is None else seen.name(path, status)
        if seen is not None and name is not None and (look := seen.look(name)):
            return _Opened(name, look=look)
        data = path.read_bytes()
    except FileNotFoundError:
        return _Opened(reason="no such file")
    except OSError as error:
        return _Opened(reason=(error.strerror or str(error)).lower())
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        pixels = load_image(data, THUMBNAIL)
    except ImageError as error:
        return _Opened(name, sha256, str(error))
    if _is_web_graphic(data):
        reason = f"a web graphic (a still GIF of at most {GRAPHIC_COLOURS} colours), not a photo"
        return _Opened(name, sha256, reason)
    return _Opened(name, sha256, pixels=pixels)


def _is_web_graphic(data: bytes) -> bool:
    """Whether this is what web scrapers save as a photo that was deleted: a small drawn placeholder."""
    if data[:4] != b"GIF8":
        return False
    # Byte 10 of a GIF: bit 7 says that there is a palette, the low three bits n that it has 2 ** (n + 1) colours.
    flags = data[10]
    few = bool(flags & 0x80) and 2 ** ((flags & 7) + 1) <= GRAPHIC_COLOURS
    with Image.open(io.BytesIO(data), formats=("GIF",)) as image:
        return few and getattr(image, "n_frames", 1) == 1
