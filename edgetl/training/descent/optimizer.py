"""The optimizer of a training by gradients: AdamW, each part of the network with a learning rate of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn
from torch.optim import AdamW

# Of the weights only: decaying biases and the scales of normalizations limits what a network can express for nothing.
DECAY = 0.01


@dataclass(frozen=True)
class Group:
    """The parameters ``names`` (as in the module) that learn at a peak rate of ``rate``; ``name`` is for people."""

    name: str
    names: frozenset[str]
    rate: float


def adamw(module: nn.Module, groups: Sequence[Group]) -> AdamW:
    """Return an optimizer of the module's parameters that need a gradient; each belongs to one of ``groups``.

    Its parameter groups carry the peak rate as ``peak`` and the name of theirs as ``name``.
    """
    parts = []
    for group in groups:
        chosen = [p for name, p in module.named_parameters() if name in group.names and p.requires_grad]
        about = {"lr": group.rate, "peak": group.rate, "name": group.name}
        parts += [
            {"params": [p for p in chosen if p.ndim > 1], "weight_decay": DECAY, **about},
            {"params": [p for p in chosen if p.ndim <= 1], "weight_decay": 0.0, **about},
        ]
    return AdamW([part for part in parts if part["params"]])


def at(optimizer: AdamW, factor: float) -> None:
    """Set every learning rate to this share of its peak."""
    for part in optimizer.param_groups:
        part["lr"] = part["peak"] * factor


def rates(optimizer: AdamW) -> dict[str, float]:
    """Return the present learning rate of each group by its name."""
    return {part["name"]: part["lr"] for part in optimizer.param_groups}
