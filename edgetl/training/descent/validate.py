"""A module's logits for images as they are, and the BatchNorm statistics that a module in training lacks for that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from edgetl.errors import UsageError
from edgetl.training.descent import schedule
from edgetl.training.distributed import World
from edgetl.training.inputs.feed import Inputs

BATCH = 32
# Images that BatchNorm statistics are estimated on; beyond, they hardly change.
SETTLING = 512


def logits(module: nn.Module, inputs: Inputs, images: int, classes: int, world: World) -> NDArray[np.float32]:
    """Return the logits of all ``images``, float32 (images, classes), with ``module`` set to evaluation.

    Each process computes its share, and all get the same.
    """
    module.eval()
    own = world.share(range(images))
    parts = [own[start : start + BATCH] for start in range(0, len(own), BATCH)]
    rows = [np.empty((0, classes), np.float32)]
    with torch.inference_mode():
        for batch in inputs.plain(parts):
            output = module(batch.to(world.device))
            rows.append(output.float().cpu().numpy())
    return world.gather(np.concatenate(rows), images)


def settle(module: nn.Module, inputs: Inputs, images: Sequence[int], device: torch.device) -> None:
    """Replace the mean and variance of every BatchNorm by their averages over ``images``, a sample of SETTLING at most.

    Momentum follows a training with a delay: after few steps, the statistics are of networks that are no more. All
    other layers work as in evaluation.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    module.eval()
    for layer in layers:
        layer.reset_running_stats()
        # None averages over all batches alike.
        layer.momentum = None
        layer.train()
    sample = images[:SETTLING]
    # Whole batches alone, since a last one of one image has no variance; unless there is no other.
    whole = max(1, len(sample) // BATCH)
    parts = [sample[BATCH * index : BATCH * (index + 1)] for index in range(whole)]
    with torch.inference_mode():
        for batch in inputs.plain(parts):
            module(batch.to(device))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    module.eval()


def require_variance(images: int, batch: int, world: World) -> None:
    """Raise UsageError where some process would have a single image to take BatchNorm's statistics of."""
    if min(map(len, schedule.batches(images, batch, 0, 0))) // world.size < 2:
        raise UsageError(
            f"BatchNorm learns from two images at least, and batches of {min(batch, images)} give each of {world.size} "
            "processes less. Raise --batch-size, or give --batchnorm frozen."
        )
