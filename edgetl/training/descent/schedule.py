"""What a training by gradients does when: the order of the images and the course of the learning rate.

Both are functions of the seed and of the epoch or step alone, so that a training which is continued needs nothing but
the number of its last epoch to go on exactly as it would have.
"""

from __future__ import annotations

import math

import numpy as np

# Streams of random numbers that must not be alike.
ORDER, DROPOUT = 0, 1


def batches(images: int, batch: int, seed: int, epoch: int) -> list[list[int]]:
    """Return the indices of ``images`` shuffled into batches of at most ``batch``, sizes differing by one at most.

    So there is no small last batch whose images would weigh more than others.
    """
    order = np.random.default_rng([ORDER, seed, epoch]).permutation(images)
    return [[int(index) for index in part] for part in np.array_split(order, math.ceil(images / batch))]


def dropout_seed(seed: int, epoch: int, rank: int) -> int:
    """Return what to seed torch with for an epoch; each process drops out other units."""
    return int(np.random.SeedSequence([DROPOUT, seed, epoch, rank]).generate_state(1)[0])


def factor(step: int, steps: int, warmup: int) -> float:
    """Return the learning rate at ``step`` (from 0) of ``steps`` as a share of its peak.

    It rises linearly over the first ``warmup`` steps, then falls along half a cosine to zero (Loshchilov and Hutter,
    2017, without restarts).
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
