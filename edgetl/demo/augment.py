"""Random poses, colours and noise for batches of source pictures, on the device that trains."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def _uniform(count: int, low: float, high: float, device: torch.device) -> Tensor:
    return torch.empty(count, device=device).uniform_(low, high)


def posed(pixels: Tensor, side: int) -> Tensor:
    """Crops of (n, 3, side, side) out of (n, 3, s, s) floats: random turn, mirror, scale and place."""
    n, device = len(pixels), pixels.device
    angle = _uniform(n, -math.pi, math.pi, device)
    scale = torch.exp(_uniform(n, math.log(0.75), math.log(1.0), device))
    mirror = (torch.rand(n, device=device) < 0.5).float() * 2 - 1
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    shift = (1 - scale)[:, None] * (torch.rand(n, 2, device=device) * 2 - 1) * 0.6
    rows = torch.stack([cos * mirror, -sin, shift[:, 0], sin * mirror, cos, shift[:, 1]], 1)
    grid = functional.affine_grid(rows.view(n, 2, 3), [n, 3, side, side], align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)


def coloured(images: Tensor) -> Tensor:
    """Images in 0..1 with other hues, light, contrast and sensor noise."""
    n, device = len(images), images.device
    mix = torch.eye(3, device=device) + 0.12 * torch.randn(n, 3, 3, device=device)
    grey = torch.full((3, 3), 1 / 3, device=device)
    amount = (torch.rand(n, 1, 1, device=device) < 0.15).float()
    mix = torch.where(amount > 0, grey, mix) * _uniform(n, 0.65, 1.4, device)[:, None, None]
    images = torch.einsum("nij,njhw->nihw", mix, images)
    noise = torch.randn_like(images) * _uniform(n, 0.0, 0.04, device)[:, None, None, None]
    return (images + noise + 0.08 * torch.randn(n, 1, 1, 1, device=device)).clamp(0, 1)


def batch(pixels: Tensor, side: int) -> Tensor:
    """What the network sees of uint8 pictures (n, s, s, 3): (n, 3, side, side) floats, normalised as ImageNet's."""
    images = coloured(posed(pixels.permute(0, 3, 1, 2).float() / 255, side))
    mean = torch.tensor(MEAN, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=images.device).view(1, 3, 1, 1)
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)
