"""When a dearer way of training is better than a cheaper one by more than chance, and what it may take to find out.

Two are compared by their errors on the same images: half the Brier score (Brier, 1950), the squared distance between
the predicted probabilities and the truth, which like an error lies between 0 and 1, but also tells the sure from the
lucky. The dearer one must have the smaller mean, and the paired differences must say so in a one-sided test at LEVEL.
So a training that is no better is kept once in twenty times at most, and then costs time, not accuracy.

Few images hide rare faults: a network that is a little more sure of forty easy ones is better on each, so that any test
on them alone would find it better, and may still be worse on the first hard one. Therefore two images are added to the
others, on one of which only the first is right, on the other only the second (Bonett and Price, 2012, for differences
of paired proportions). Then only a gain worth several images counts. The log-loss would not do: no bound holds what one
hard image adds to it.

A training by gradients chose its epoch by these very images, so what they say of its best epoch is too good. For each
half of the images the error is therefore that after the epoch with the least loss on the other half. (Leaving out one
image at a time would hardly change the choice, and with it hardly the optimism.)
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

LEVEL = 0.05


def honest(values: Values, losses: Values) -> Values:
    """Return the value of each image (images,) after the epoch that the losses of the other half choose.

    Both are (epochs + 1, images). Every other image is of one half.
    """
    result: Values = np.empty_like(values[0])
    for half, other in ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2))):
        # A training that diverged has losses that are no numbers.
        result[half] = values[np.nanargmin(losses[:, other].sum(1)), half]
    return result


def better(cheap: Values, dear: Values) -> bool:
    """Return whether the errors ``dear`` (images,) are smaller than ``cheap`` by more than chance."""
    gain = np.concatenate([cheap - dear, [1.0, -1.0]])
    error = gain.std() / math.sqrt(len(gain))
    return bool(gain.mean() > NormalDist().inv_cdf(1 - LEVEL) * error)


def can_be_beaten(values: Values) -> bool:
    """Return whether a perfect network would be found better than one of these errors."""
    return better(values, np.zeros_like(values))
