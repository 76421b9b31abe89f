"""How many images a variant classifies in a second, by the size of its batches and how many run at the same time."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

import numpy as np

from edgetl.artifacts import Throughput
from edgetl.errors import WorkerError
from edgetl.measure.launches import Variant
from edgetl.measure.loading import load
from edgetl.measure.worker import Worker
from edgetl.progress import Progress, Silent

REPEATS = 3
STEP = "measure throughput"
# A trial as long as this part of a measurement tells how many runs the whole takes.
_TRIAL_SHARE = 0.1
_MAX_COUNT = 1_000_000


def sweep(
    variant: Variant,
    batches: Sequence[int],
    streams: Sequence[int],
    seconds_each: float,
    progress: Progress | None = None,
) -> tuple[Throughput, ...]:
    """Return the throughput of each combination of ``batches`` and ``streams``, the median of three measurements.

    Each combination has a process of its own, made for it, and each measurement lasts about ``seconds_each``. A
    combination that fails is left out and ``progress`` told why; WorkerError is raised when none is left.
    """
    progress = progress or Silent()
    combinations = list(itertools.product(batches, streams))
    done: list[Throughput] = []
    setback: WorkerError | None = None
    for index, (batch, at_once) in enumerate(combinations):
        progress.step(STEP, index, len(combinations))
        try:
            done.append(
                Throughput(
                    batch=batch, streams=at_once, images_per_s=_images_per_s(variant, batch, at_once, seconds_each)
                )
            )
        except WorkerError as error:
            setback = error
            progress.remark(f"Not measured in batches of {batch}, {at_once} at a time: {error}")
    if setback is not None and not done:
        raise setback
    progress.step(STEP, len(combinations), len(combinations))
    return tuple(done)


def _images_per_s(variant: Variant, batch: int, streams: int, seconds: float) -> float:
    options = {**variant.options, "batch": str(batch), "streams": str(streams)}
    with Worker(variant.command) as worker:
        report = load(worker, variant.model, variant.provider, variant.precision, variant.threads, options)
        if report.input_shape[0] not in (None, batch):
            raise WorkerError(f"The model's own batches are of {report.input_shape[0]}.", kind="ModelError")
        worker.set_input(variant.pixels[np.arange(batch) % len(variant.pixels)])
        count = _count(worker, streams, seconds * 1e9)
        rates = []
        for _ in range(REPEATS):
            images, elapsed = worker.throughput(streams, count)
            rates.append(images / max(elapsed, 1) * 1e9)
    return statistics.median(rates)


def _count(worker: Worker, streams: int, wanted_ns: float) -> int:
    """Return how often each stream has to run its batch to take about ``wanted_ns``."""
    count = 1
    while True:
        _, elapsed = worker.throughput(streams, count)
        if elapsed >= _TRIAL_SHARE * wanted_ns or count >= _MAX_COUNT:
            return max(1, min(_MAX_COUNT, round(count * wanted_ns / max(elapsed, 1))))
        count = min(_MAX_COUNT, 2 * count)
