"""How far the predicted probabilities of an image are from the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def errors(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return half the Brier score (Brier, 1950) of each image, 0 to 1, for ``logits`` (images, classes)."""
    wide = logits.astype(np.float64)
    exponentials = np.exp(wide - wide.max(1, keepdims=True))
    distance = exponentials / exponentials.sum(1, keepdims=True)
    distance[np.arange(len(labels)), labels] -= 1
    halves: NDArray[np.float64] = np.square(distance).sum(1) / 2
    return halves
