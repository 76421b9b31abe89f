"""Decoding many images in parallel, in order, with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgetl.device.cores import cores_allowed
from edgetl.device.preprocess import ImageError, load_image
from edgetl.device.values import Preprocess
from edgetl.errors import DataError
from edgetl.progress import Progress

Pixels = NDArray[np.uint8]
# What is done to a decoded image, beside decoding it.
Change = Callable[[int, Pixels], Pixels]


def iter_pixels(
    paths: Sequence[Path],
    preprocess: Preprocess,
    *,
    batch: int = 8,
    workers: int | None = None,
    ahead: int | None = None,
    change: Change | None = None,
    progress: Progress | None = None,
    step: str = "read images",
) -> Iterator[tuple[range, Pixels]]:
    """Yield the images of ``paths`` in order, as (indices, uint8 NHWC of at most ``batch`` images).

    ``workers`` threads (one per core if None) decode ``ahead`` images (two batches and one image a worker if None)
    beyond those that were yielded. ``change`` is applied to each image, given its index in ``paths``, by the thread
    that decoded it; it may change the size. Raises DataError naming the first image that cannot be decoded.
    """
    workers = workers or cores_allowed()
    ahead = 2 * batch + workers if ahead is None else ahead
    remaining = iter(enumerate(paths))
    waiting: deque[Future[Pixels]] = deque()

    def decode(index: int, path: Path) -> Pixels:
        pixels = _pixels(path, preprocess)
        return pixels if change is None else change(index, pixels)

    with ThreadPoolExecutor(workers) as pool:
        try:
            for start in range(0, len(paths), batch):
                indices = range(start, min(start + batch, len(paths)))
                room = batch + ahead - len(waiting)
                waiting.extend(pool.submit(decode, index, path) for index, path in islice(remaining, room))
                pixels = np.stack([waiting.popleft().result() for _ in indices])
                yield indices, pixels
                if progress is not None:
                    progress.step(step, indices.stop, len(paths))
        finally:
            # Leaving early (an error, Ctrl-C) must not wait for images that nobody will look at.
            pool.shutdown(wait=False, cancel_futures=True)


def normalized(
    pixels: Pixels, preprocess: Preprocess, dtype: type[np.floating[Any]] = np.float32
) -> NDArray[np.floating[Any]]:
    """Return uint8 ``pixels`` (n, h, w, 3) as a float network takes them: (n, 3, h, w), ``(x / 255 - mean) / std``."""
    mean, std = (np.asarray(each, dtype) for each in (preprocess.mean, preprocess.std))
    return np.ascontiguousarray(((pixels.astype(dtype) / 255 - mean) / std).transpose(0, 3, 1, 2))


def _pixels(path: Path, preprocess: Preprocess) -> Pixels:
    try:
        return load_image(path, preprocess)
    except (ImageError, OSError) as error:
        raise DataError(f"{path} cannot be used: {error}. Remove it, then run again.") from error
