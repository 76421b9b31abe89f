"""Decoded images in a temporary file, so that every model sees the same ones and memory does not hold them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgetl.device.values import Preprocess
from edgetl.pixels import iter_pixels
from edgetl.progress import Progress


@contextlib.contextmanager
def spooled(
    paths: Sequence[Path], preprocess: Preprocess, progress: Progress, step: str = "read images"
) -> Iterator[NDArray[np.uint8]]:
    """Yield the images of ``paths`` as a memory map, uint8 (n, h, w, 3); its file goes afterwards.

    Raises DataError, and OSError when the temporary folder has no room for them.
    """
    side = preprocess.crop
    with tempfile.TemporaryFile() as file:
        # A full disk is an error here; while writing through the map it would be the end of the process (SIGBUS).
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, len(paths) * side * side * 3)
        pixels = np.memmap(file, np.uint8, "w+", shape=(len(paths), side, side, 3))
        for indices, batch in iter_pixels(paths, preprocess, progress=progress, step=step):
            pixels[indices.start : indices.stop] = batch
        yield pixels
