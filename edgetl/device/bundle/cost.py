"""What a model costs on this machine, and which limits that passes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgetl.device.bundle.manifest import Limits
from edgetl.device.bundle.runner import Runner
from edgetl.device.values import Preprocess

WARM_UP, BLOCKS, LEAST_RUNS = 5, 5, 6
# A p90 takes so many runs: with fewer, even the slowest of all may lie below it (0.9^29 < 0.05).
RUNS_FOR_P90 = 29


@dataclass(frozen=True)
class Latency:
    """One image at a time, in milliseconds; memory in megabytes. None is what few runs or the system do not tell."""

    p50_ms: float
    p90_ms: float | None
    end_to_end_ms: float
    runs: int
    peak_rss_mb: float | None


@dataclass(frozen=True)
class Timings:
    """Nanoseconds of single runs: in blocks, so that a figure can be asked for of each."""

    inference: tuple[tuple[int, ...], ...]
    end_to_end: tuple[tuple[int, ...], ...]


def timed(
    runner: Runner, image: NDArray[np.uint8], encoded: Sequence[bytes], preprocess: Preprocess, seconds: float
) -> Timings:
    """Return timings that take about ``seconds``, of one image, uint8 (1, h, w, 3), and of ``encoded`` ones in turn."""
    runner.set_input(image)
    usual = float(np.median(runner.time(WARM_UP)))
    blocks = [runner.time(_runs(seconds / 2 / BLOCKS, usual)) for _ in range(BLOCKS)]
    usual = float(np.median(runner.end_to_end(encoded, preprocess, WARM_UP)))
    whole = [runner.end_to_end(encoded, preprocess, _runs(seconds / 2 / BLOCKS, usual)) for _ in range(BLOCKS)]
    return Timings(tuple(blocks), tuple(whole))


def _runs(seconds: float, nanoseconds: float) -> int:
    return max(LEAST_RUNS, min(int(seconds * 1e9 / max(nanoseconds, 1.0)), 100_000))


def latency_of(timings: Timings, peak: int) -> Latency:
    """Return the figures of timings; ``peak`` is the process's memory in bytes, 0 where that is not known."""
    every = np.concatenate(timings.inference)
    return Latency(
        p50_ms=_ms(every, 0.5),
        p90_ms=_ms(every, 0.9) if len(every) >= RUNS_FOR_P90 else None,
        end_to_end_ms=_ms(np.concatenate(timings.end_to_end), 0.5),
        runs=len(every),
        peak_rss_mb=peak / 1e6 if peak else None,
    )


def _ms(times: Sequence[int] | NDArray[Any], part: float) -> float:
    return float(np.quantile(times, part)) / 1e6


def excesses(timings: Timings, latency: Latency, limits: Limits) -> Iterator[str]:
    """Yield which limits are passed.

    A time counts as too long only when it is in each of the blocks: another program may well disturb some of them.
    """
    asked: Mapping[str, tuple[float | None, tuple[tuple[int, ...], ...], float]] = {
        "the p50 of inference": (limits.latency_p50_ms, timings.inference, 0.5),
        "the p90 of inference": (limits.latency_p90_ms, timings.inference, 0.9),
        "the p50 from image to class": (limits.end_to_end_ms, timings.end_to_end, 0.5),
    }
    for name, (limit, blocks, part) in asked.items():
        least = min(_ms(block, part) for block in blocks)
        if limit is not None and least > limit:
            yield f"{name} is {least:.3g} ms or more in each of {len(blocks)} blocks, and at most {limit:g} are allowed"
    if limits.memory_mb is not None and latency.peak_rss_mb is not None and latency.peak_rss_mb > limits.memory_mb:
        yield f"it took {latency.peak_rss_mb:.0f} MB of memory, and at most {limits.memory_mb:g} are allowed"
