"""Timing loops: nothing but the call between two readings of the clock."""

from __future__ import annotations

import contextlib
import gc
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgetl.device.preprocess import load_image
from edgetl.device.providers.base import Session
from edgetl.device.values import Preprocess

TASKS = Path("/proc/self/task")
# No engine's threads spin for longer.
REST_S, LOOK_S = 0.2, 0.001


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


def come_to_rest(tasks: Path = TASKS) -> None:
    """Return when all threads of this process but the caller's sleep, after 0.2 s at most.

    Those of an engine's pool go on spinning after a run, and would hold a core against whatever is timed next. Where
    the system does not tell (it has no ``tasks``), nothing is waited for.
    """
    end = time.monotonic() + REST_S
    while any(map(_is_running, _others(tasks))) and time.monotonic() < end:
        time.sleep(LOOK_S)


def _others(tasks: Path) -> list[Path]:
    if not tasks.is_dir():
        return []
    return [task for task in tasks.iterdir() if task.name != str(threading.get_native_id())]


def _is_running(task: Path) -> bool:
    try:
        # "PID (NAME) STATE ...", and a name may hold anything.
        return (task / "stat").read_text().rpartition(")")[2].split()[0] == "R"
    except OSError:
        return False


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
