"""Where to clip a histogram so that quantizing what is left loses the least information.

The method is that of Migacz, *8-bit inference with TensorRT* (2017): of many thresholds, the one where the clipped
distribution and its quantized form have the least Kullback-Leibler divergence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

THRESHOLDS = 128


def threshold(counts: Counts, levels: int = 256) -> int:
    """Return how many bins to keep on either side of the middle of ``counts`` (an even number of equal bins).

    ``levels`` is how many values the quantized form has over what is kept. Empty counts keep all bins.
    """
    middle = len(counts) // 2
    used = np.flatnonzero(counts)
    if not len(used):
        return middle
    # Zero is always representable, so the range reaches from the lowest to the highest value and zero.
    low, high = min(int(used[0]), middle), max(int(used[-1]) + 1, middle)
    reach = max(middle - low, high - middle)
    # With fewer bins than levels nothing would be quantized.
    first = min(reach, levels // 2)
    kept = np.unique(np.linspace(first, reach, THRESHOLDS).round().astype(int))
    losses = [_divergence(counts, max(low, middle - n), min(high, middle + n), levels) for n in kept.tolist()]
    # Of equal ones the widest, which clips nothing without need.
    return int(kept[::-1][int(np.argmin(losses[::-1]))])


def _divergence(counts: Counts, start: int, stop: int, levels: int) -> float:
    """Return KL(clipped || quantized) of the bins from ``start`` to ``stop``, in nats."""
    inside = counts[start:stop].astype(np.float64)
    clipped = inside.copy()
    # What lies outside is moved to the ends, as saturation does; the quantized form does not know of it.
    clipped[0] += counts[:start].sum()
    clipped[-1] += counts[stop:].sum()
    level = np.arange(stop - start) * levels // (stop - start)
    # Zero and the ends are values of the quantized form: what a ReLU or a Clip heaps up there is not spread out.
    spread = inside > 0
    spread[[0, min(max(len(counts) // 2 - start, 0), stop - start - 1), -1]] = False
    held = np.bincount(level, np.where(spread, inside, 0), minlength=levels)
    filled = np.bincount(level, spread, minlength=levels)
    quantized = np.where(spread, (held / np.maximum(filled, 1))[level], inside)
    p, q = clipped / clipped.sum(), quantized / max(quantized.sum(), 1.0)
    # Outliers in a bin that was empty: the quantized form gives them no chance at all.
    known = (p > 0) & (q > 0)
    lost = p[(p > 0) & (q == 0)]
    return float((p[known] * np.log(p[known] / q[known])).sum() + (lost * np.log(lost / 1e-9)).sum())
