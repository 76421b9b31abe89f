"""Timing loops: nothing but the call between two readings of the clock."""

from __future__ import annotations

import contextlib
import gc
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edgetl.device.preprocess import load_image
from edgetl.device.providers.base import Session
from edgetl.device.values import Preprocess


def time_inference(
    session: Session, pixels: NDArray[np.uint8], count: int, clock: Callable[[], int] | None = None
) -> list[int]:
    """Return the nanoseconds of each of ``count`` runs of the whole batch ``pixels``, uint8 of shape (n, h, w, 3).

    ``clock`` is the session's own unless given: `time.perf_counter_ns` for an engine, a scripted one for `fake`.
    """
    clock = clock or session.clock
    run = session.run
    times = []
    with _no_garbage_collection():
        for _ in range(count):
            start = clock()
            run(pixels)
            times.append(clock() - start)
    return times


def time_end_to_end(
    session: Session,
    encoded: Sequence[bytes],
    preprocess: Preprocess,
    count: int,
    clock: Callable[[], int] | None = None,
) -> list[int]:
    """Return the nanoseconds from encoded image bytes to the predicted class, ``count`` times over the images in turn.

    Raises ImageError for an image that cannot be decoded.
    """
    clock = clock or session.clock
    times = []
    with _no_garbage_collection():
        for image in itertools.islice(itertools.cycle(encoded), count):
            start = clock()
            int(session.run(load_image(image, preprocess)[np.newaxis]).argmax())
            times.append(clock() - start)
    return times


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    # A collection of the worker's own objects would be charged to whichever run it falls into. None is made before
    # either: it walks the whole heap, takes milliseconds and leaves the processor's caches cold.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
