"""Decoding many images in parallel, in order, with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgetl.device.cores import cores_allowed
from edgetl.device.preprocess import ImageError, load_image
from edgetl.device.values import Preprocess
from edgetl.errors import DataError
from edgetl.progress import Progress

Pixels = NDArray[np.uint8]


def iter_pixels(
    paths: Sequence[Path],
    preprocess: Preprocess,
    *,
    batch: int = 8,
    workers: int | None = None,
    progress: Progress | None = None,
    step: str = "read images",
) -> Iterator[tuple[range, Pixels]]:
    """Yield the images of ``paths`` in order, as (indices, uint8 NHWC of at most ``batch`` images).

    Images are decoded ahead by ``workers`` threads (one per core if None), at most two batches and one image a worker
    beyond the one that was yielded. Raises DataError naming the first image that cannot be decoded.
    """
    workers = workers or cores_allowed()
    remaining = iter(paths)
    waiting: deque[Future[Pixels]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for start in range(0, len(paths), batch):
                indices = range(start, min(start + batch, len(paths)))
                ahead = 3 * batch + workers - len(waiting)
                waiting.extend(pool.submit(_pixels, path, preprocess) for path in islice(remaining, ahead))
                pixels = np.stack([waiting.popleft().result() for _ in indices])
                yield indices, pixels
                if progress is not None:
                    progress.step(step, indices.stop, len(paths))
        finally:
            # Leaving early (an error, Ctrl-C) must not wait for images that nobody will look at.
            pool.shutdown(wait=False, cancel_futures=True)


def _pixels(path: Path, preprocess: Preprocess) -> Pixels:
    try:
        return load_image(path, preprocess)
    except (ImageError, OSError) as error:
        raise DataError(f"{path} cannot be used: {error}. Remove it, then run again.") from error
