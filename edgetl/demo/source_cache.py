"""The source task rendered once into memory-mapped arrays, so that training reads instead of drawing."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgetl.demo.source_task import LABELS, SIZE, SOURCE_VERSION, sample

CHUNK = 256


def _paths(folder: Path, seed: int, count: int) -> tuple[Path, Path]:
    stem = f"source-v{SOURCE_VERSION}-seed{seed}-{count}"
    return folder / f"{stem}-pixels.npy", folder / f"{stem}-labels.npy"


def _fill(job: tuple[str, str, int, int, int]) -> int:
    pixels = np.load(job[0], mmap_mode="r+")
    labels = np.load(job[1], mmap_mode="r+")
    _, _, seed, start, stop = job
    for index in range(start, stop):
        picture = sample(seed, index)
        pixels[index], labels[index] = picture.pixels, picture.labels
    return stop - start


def cached_source(
    folder: Path, seed: int, count: int, progress: Callable[[int, int], None] | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Pixels (count, 128, 128, 3) and labels (count, 3) of the source task, memory-mapped, rendered if not there."""
    pixels, labels = _paths(folder, seed, count)
    if not (pixels.exists() and labels.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        drafts = [path.with_suffix(f".{os.getpid()}.npy") for path in (pixels, labels)]
        shapes = ((count, SIZE, SIZE, 3), (count, len(LABELS)))
        for draft, shape, kind in zip(drafts, shapes, (np.uint8, np.int16), strict=True):
            np.lib.format.open_memmap(draft, mode="w+", dtype=kind, shape=shape).flush()
        jobs = [
            (str(drafts[0]), str(drafts[1]), seed, start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)
        ]
        done = 0
        with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=get_context("spawn")) as pool:
            for filled in pool.map(_fill, jobs):
                done += filled
                if progress is not None:
                    progress(done, count)
        for draft, path in zip(drafts, (pixels, labels), strict=True):
            draft.rename(path)
    return np.load(pixels, mmap_mode="r"), np.load(labels, mmap_mode="r")
