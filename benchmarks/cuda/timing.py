"""Checking a session's logits, then timing it."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.cuda.networks import Pixels
from edgetl.device.timing import time_inference

# The least that is left of the logits' power over that of the difference, in dB: what rounding allows, and no more.
LEAST_DB = {"fp32": 60.0, "TF32": 30.0, "fp16": 30.0, "int8": 5.0}
# So many runs bound p90 at 95 % confidence.
P90_RUNS = 29


def sqnr_db(logits: Any, reference: Any) -> float:
    """Return how much of the reference is right, in dB; of logits that are not finite minus infinity."""
    if not np.isfinite(logits).all():
        return float("-inf")
    noise = float(np.square(np.asarray(logits, np.float64) - reference).sum())
    power = float(np.square(np.asarray(reference, np.float64) - reference.mean()).sum())
    return 10 * float(np.log10(max(power, 1e-30) / max(noise, 1e-30 * max(power, 1e-30) + 1e-300)))


def latencies(session: Any, pixels: Pixels, seconds: float) -> dict[str, float | None]:
    """Return ``p50_ms``, ``p90_ms`` (None of too few runs) and ``images_per_s`` of runs of the whole batch."""
    count = _warm(lambda count: time_inference(session, pixels, count), seconds)
    times = sorted(time_inference(session, pixels, count))
    p90 = times[int(0.9 * len(times))] / 1e6 if len(times) >= P90_RUNS else None
    mean = statistics.fmean(times)
    return {
        "p50_ms": statistics.median(times) / 1e6,
        "p90_ms": p90,
        "images_per_s": len(pixels) / (mean / 1e9),
    }


def in_turns(sessions: Mapping[str, Any], pixels: Pixels, seconds: float, rounds: int = 6) -> dict[str, float]:
    """Return the median milliseconds of each session's undisturbed runs, timed in blocks in random order."""
    counts = {name: _warm(_timer(session, pixels), seconds / rounds) for name, session in sessions.items()}
    generator, found = random.Random(0), {name: [] for name in sessions}  # type: ignore[var-annotated]
    for _ in range(rounds):
        order = list(sessions)
        generator.shuffle(order)
        for name in order:
            times: Sequence[int] = time_inference(sessions[name], pixels, counts[name])
            found[name].append(float(np.quantile(times, 0.1)) / 1e6)
    return {name: statistics.median(blocks) for name, blocks in found.items()}


def _timer(session: Any, pixels: Pixels) -> Callable[[int], Sequence[int]]:
    return lambda count: time_inference(session, pixels, count)


def _warm(timed: Callable[[int], Sequence[int]], seconds: float) -> int:
    """Run until it gets no faster for a while; return how many runs last about ``seconds``."""
    end, fastest = time.monotonic() + 0.5 * seconds, float("inf")
    timed(3)
    while True:
        fastest = min([fastest, *timed(3)])
        if time.monotonic() >= end:
            return max(5, min(5000, round(seconds * 1e9 / max(fastest, 1))))
