"""How far logits lie from those that they should be."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# Of equal arrays, and of those that differ by rounding only.
MOST_DB = 120.0
# What another engine's or processor's rounding may add: as much noise again. Saturation adds ten times that.
MARGIN_DB = 3.0

Logits = NDArray[np.float32]


def sqnr_db(logits: Logits, reference: Logits) -> float:
    """Return the signal to noise ratio, in dB, of logits (images, classes) against a reference.

    10 log10(sum(reference^2) / sum((reference - logits)^2)), each row centred first, since adding a number to all
    logits of an image changes no probability; at most `MOST_DB`.
    """
    signal, noise = _centred(reference), _centred(reference) - _centred(logits)
    power, lost = float(np.sum(signal**2)), float(np.sum(noise**2))
    if not math.isfinite(lost):
        return -MOST_DB
    if lost <= power * 10 ** (-MOST_DB / 10):
        return MOST_DB
    return 10 * math.log10(power / lost) if power else -MOST_DB


def off(sqnr_db: float) -> str:
    """Return the size (root mean square) of the error as a share of the signal's, in per cent: 20 dB are 10 %."""
    percent = 100 * 10 ** (-sqnr_db / 20)
    return "less than 0.01 %" if percent < 0.01 else f"{percent:{'.2g' if percent < 99 else '.0f'}} %"


def _centred(logits: Logits) -> NDArray[np.float64]:
    wide = logits.astype(np.float64)
    return np.asarray(wide - wide.mean(axis=1, keepdims=True))
