"""The demo data: a procedural surface-inspection set, the same everywhere for the same seed.

Each picture has a random stream of its own, named by (seed, domain, split, class, number), so that neither the
number of worker processes nor the order in which they finish can change a pixel, and no two splits share a picture.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgetl.demo.camera import STATIONS, litter, photograph
from edgetl.demo.defects import DEFECTS
from edgetl.demo.materials import MATERIALS

GENERATOR_VERSION = 2
"""Raise it with every change that changes a pixel: cached sets of another version are then left alone."""

SIZE = 224
CLASSES: tuple[str, ...] = tuple(sorted(DEFECTS))
DOMAINS: tuple[str, ...] = tuple(STATIONS)
PER_CLASS: dict[str, int] = {"train": 60, "val": 40, "test": 60}
QUALITY = 92

Progress = Callable[[int, int], None]
Job = tuple[str, int, str, str, str, int]


def render(seed: int, domain: str, split: str, label: str, number: int) -> NDArray[np.uint8]:
    """One picture of the set: (224, 224, 3) uint8."""
    name = (seed, DOMAINS.index(domain), tuple(PER_CLASS).index(split), CLASSES.index(label), number)
    rng = np.random.default_rng(np.random.SeedSequence(name))
    material = MATERIALS[int(rng.integers(len(MATERIALS)))]
    surface = litter(rng, material(rng, SIZE))
    return photograph(rng, DEFECTS[label](rng, surface), STATIONS[domain])


def _write(job: Job) -> None:
    folder, seed, domain, split, label, number = job
    path = Path(folder) / split / label / f"{number:04d}.jpg"
    Image.fromarray(render(seed, domain, split, label, number)).save(path, quality=QUALITY)


def generate(
    folder: Path,
    *,
    seed: int = 0,
    domain: str = "source",
    progress: Progress | None = None,
    per_class: dict[str, int] | None = None,
    workers: int | None = None,
) -> None:
    """Write the set to `folder`/{train,val,test}/<class>/NNNN.jpg.

    `progress` is called with (done, total); `per_class` gives other counts for the three splits, `workers` another
    number of processes than the cores of this machine (at most 8). Raises ValueError for an unknown domain.
    """
    if domain not in DOMAINS:
        raise ValueError(f"unknown domain {domain!r} of the demo set: choose one of {', '.join(DOMAINS)}")
    counts = PER_CLASS if per_class is None else per_class
    jobs: list[Job] = []
    for split, count in counts.items():
        for label in CLASSES:
            (folder / split / label).mkdir(parents=True, exist_ok=True)
            jobs += [(str(folder), seed, domain, split, label, number) for number in range(count)]
    processes = min(8, len(os.sched_getaffinity(0))) if workers is None else workers
    if processes <= 1:
        for done, job in enumerate(jobs, 1):
            _write(job)
            if progress is not None:
                progress(done, len(jobs))
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for done, _ in enumerate(pool.map(_write, jobs, chunksize=16), 1):
            if progress is not None:
                progress(done, len(jobs))


def cached_demo_set(cache_dir: Path, seed: int = 0, domain: str = "source", progress: Progress | None = None) -> Path:
    """The folder of the set inside `cache_dir`, generated there if it is not yet.

    The set is made in a folder beside its place and renamed, so that an interrupted run leaves no half a set.
    """
    target = cache_dir / f"surface-v{GENERATOR_VERSION}-{domain}-seed{seed}"
    if target.is_dir():
        return target
    cache_dir.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=cache_dir))
    try:
        generate(unfinished, seed=seed, domain=domain, progress=progress)
        unfinished.chmod(0o755)
        try:
            unfinished.rename(target)
        except OSError:
            # Another process was first; its set has the same pixels.
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target
