"""A start for MobileNetV2 that learns in minutes: depthwise filters that already blur, differentiate and bend.

torchvision draws depthwise filters with the deviation of a dense convolution, so small that batch norm turns their
first gradients into leaps. Here each is a random mixture of the 3x3 derivatives of a Gaussian, the pointwise layers are
orthogonal (Saxe et al., ICLR 2014), and residual branches start weak, so that the network starts shallow
(Goyal et al., 2017).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

RESIDUAL = 0.3
"""First gain of the last batch norm of a residual branch."""


def unit(filters: Tensor) -> Tensor:
    """The filters (n, 3, 3), each scaled to norm 1."""
    scaled: Tensor = filters / filters.flatten(1).norm(dim=1)[:, None, None]
    return scaled


def derivatives() -> Tensor:
    """Six 3x3 filters of unit norm: blur, first derivatives along x and y, second along xx, yy and xy."""
    blur, slope, bend = torch.tensor([1.0, 2, 1]), torch.tensor([-1.0, 0, 1]), torch.tensor([1.0, -2, 1])
    pairs = ((blur, blur), (blur, slope), (slope, blur), (blur, bend), (bend, blur), (slope, slope))
    filters = torch.stack([torch.outer(a, b) for a, b in pairs])
    return unit(filters)


def mixtures(count: int) -> Tensor:
    """Random filters (count, 3, 3) of unit norm, a third of them mostly blurs, plus a little noise."""
    weights = torch.randn(count, 6)
    weights[:, 0] = torch.where(torch.rand(count) < 0.35, 3.0, 0.3) * weights[:, 0]
    filters = torch.einsum("nk,kij->nij", weights, derivatives()) + 0.1 * torch.randn(count, 3, 3)
    return unit(filters)


def initialise(features: nn.Module) -> None:
    """Sets the weights of torchvision's MobileNetV2 `features` in place (from torch's global random state)."""
    with torch.no_grad():
        for module in features.modules():
            if isinstance(module, nn.Conv2d):
                out, into, height, _ = module.weight.shape
                if height == 1:
                    nn.init.orthogonal_(module.weight)
                elif into == 1:
                    module.weight.copy_(mixtures(out)[:, None])
                else:
                    colours = torch.randn(out, into, 1, 1)
                    # Half of the stem sees light, half sees colour.
                    colours[: out // 2] = colours[: out // 2].sign()[:, :1]
                    module.weight.copy_(mixtures(out)[:, None] * colours / colours.norm(dim=1, keepdim=True))
            if getattr(module, "use_res_connect", False):
                last = list(module.modules())[-1]
                assert isinstance(last, nn.BatchNorm2d)
                nn.init.constant_(last.weight, RESIDUAL)
