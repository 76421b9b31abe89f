"""BatchNorm statistics measured on images, for a network whose own say nothing about them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from edgetl.device.values import Preprocess
from edgetl.pixels import Pixels
from edgetl.training.forward import Images


def reestimate(network: nn.Module, batches: Iterable[Pixels], preprocess: Preprocess) -> None:
    """Replace the mean and variance of every BatchNorm of ``network``, in place, by their averages over ``batches``.

    ``batches`` are uint8 NHWC images. All other layers work as in evaluation.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    images = Images(network, preprocess).eval()
    for layer in layers:
        layer.reset_running_stats()
        # None averages over all batches alike; a number would forget the first ones.
        layer.momentum = None
        layer.train()
    with torch.inference_mode():
        for pixels in batches:
            images(torch.from_numpy(pixels))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    network.eval()
