"""A MobileNetV2 that computes the same in float, and whose channels per-tensor ranges do not fit.

The outputs of its bottlenecks are linear, so that each channel may be multiplied by any factor where it is made and
divided by it where it is read. Bottlenecks that are added share their channels' factors.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

DECADES = 1.5
"""The factors are 10 to a power drawn evenly from minus to plus this."""


def rescale(network: nn.Module, seed: int = 0) -> None:
    """Rescale the channels between the layers of torchvision's MobileNetV2, in place."""
    generator = torch.Generator().manual_seed(seed)
    features: list[Any] = [*network.get_submodule("features").children()]
    factors = torch.ones(0)
    with torch.no_grad():
        # The first layer ends in an activation, the last one reads the last bottleneck.
        for block, reader in pairwise(features[1:]):
            norm = block.conv[-1]
            if not block.use_res_connect:
                factors = _drawn(len(norm.weight), generator)
            norm.weight *= factors
            norm.bias *= factors
            # Of a bottleneck that is the layer which expands.
            convolution = reader[0] if reader is features[-1] else reader.conv[0][0]
            convolution.weight /= factors[:, None, None]


def _drawn(channels: int, generator: torch.Generator) -> Tensor:
    power = DECADES * (2 * torch.rand(channels, generator=generator) - 1)
    return torch.pow(10.0, power)
