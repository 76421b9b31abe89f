"""The new layers on top of a backbone: ``linear``, or ``mlp:256`` with hidden layers of the sizes given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from edgetl.errors import UsageError

if TYPE_CHECKING:
    from torch import nn


# The name of the one layer of a linear head.
ONLY = "0"


@dataclass(frozen=True)
class Head:
    """New layers: ``hidden`` sizes, each followed by ReLU and ``dropout`` (a share), then the classes."""

    hidden: tuple[int, ...] = ()
    dropout: float = 0.0

    def __str__(self) -> str:
        kind = f"mlp:{','.join(map(str, self.hidden))}" if self.hidden else "linear"
        return f"{kind}:dropout={self.dropout:g}" if self.dropout else kind


_PATTERN = re.compile(r"(?:linear|mlp:(?P<hidden>\d+(?:,\d+)*))(?::dropout=(?P<dropout>0?\.\d+|0))?")


def parse(text: str) -> Head:
    """Return the head written as ``linear``, ``mlp:512,128`` or ``mlp:256:dropout=0.2``; raises UsageError."""
    match = _PATTERN.fullmatch(text)
    hidden = tuple(map(int, match["hidden"].split(","))) if match and match["hidden"] else ()
    if not match or 0 in hidden:
        raise UsageError(f"Unknown head '{text}'. Write linear, mlp:256, mlp:512,128 or mlp:256:dropout=0.2.")
    return Head(hidden, float(match["dropout"] or 0))


def build(head: Head, features: int, classes: int) -> nn.Sequential:
    """Return the layers from (N, ``features``) to logits of shape (N, ``classes``), with random weights."""
    from torch import nn

    sizes = (features, *head.hidden)
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU(), *_dropout(head)]
    if not head.hidden:
        layers += _dropout(head)
    return nn.Sequential(*layers, nn.Linear(sizes[-1], classes))


def _dropout(head: Head) -> list[nn.Module]:
    from torch import nn

    return [nn.Dropout(head.dropout)] if head.dropout else []
