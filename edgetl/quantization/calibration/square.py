"""Where to clip a histogram so that the values, clipped and rounded, are least wrong in the mean square."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating[Any]]

# How many ends are tried on either side of zero, from the extreme down to this part of it.
ENDS, NEAREST = 64, 0.05
STEPS = 255


def ends(counts: NDArray[np.int64], width: float, low: float, high: float) -> tuple[float, float]:
    """Return the range within ``low`` <= 0 <= ``high`` with the least mean square error in 8 bits.

    ``counts`` are those of bins of ``width``, as many below zero as above. The error is that of what is clipped, plus a
    twelfth of the squared step for each value that is rounded (Widrow and Kollar, *Quantization Noise*, 2008), which
    those nearer to zero than half a step are to zero itself.
    """
    middle = len(counts) // 2
    centres = (np.arange(len(counts)) - middle + 0.5) * width
    parts = np.geomspace(1.0, NEAREST, ENDS)
    lows, highs = (np.unique(np.asarray(end * parts, np.float64)) for end in (low, high))
    clipped = _beyond(counts, centres, highs)[None, :] + _beyond(counts[::-1], -centres[::-1], -lows)[:, None]
    steps = (highs[None, :] - lows[:, None]) / STEPS
    order = np.argsort(np.abs(centres), kind="stable")
    near = np.concatenate([[0], np.cumsum(counts[order])])
    squares = np.concatenate([[0.0], np.cumsum(counts[order] * centres[order] ** 2)])
    within = np.searchsorted(np.abs(centres)[order], steps / 2)
    error = clipped + squares[within] + (near[-1] - near[within]) * steps**2 / 12
    row, column = np.unravel_index(int(np.argmin(error)), error.shape)
    return float(lows[row]), float(highs[column])


def _beyond(counts: NDArray[np.int64], centres: Values, edges: Values) -> Values:
    """Return for each of ``edges`` the sum of (value - edge)^2 over the values above it; ``centres`` ascend."""

    def above(moments: Values) -> Values:
        sums = np.concatenate([np.cumsum(moments[::-1])[::-1], [0.0]])
        found: Values = sums[np.searchsorted(centres, edges, side="right")]
        return found

    weights = counts.astype(np.float64)
    return above(weights * centres**2) - 2 * edges * above(weights * centres) + edges**2 * above(weights)
