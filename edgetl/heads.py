"""The new layers on top of a backbone, written as they follow each other: ``linear``, ``mlp:256``, ``norm+linear``.

The last part gives the logits: ``linear``, or ``mlp`` with hidden layers of the sizes given. Before it, joined by
``+``, there may be any of LAYERS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from edgetl.errors import UsageError, nearest

if TYPE_CHECKING:
    from torch import nn


# The name of the one layer of a linear head.
ONLY = "0"
# No layer is wider: a slip of the finger must not take all memory.
WIDEST = 65536


@dataclass(frozen=True)
class Kind:
    """A kind of layer: what reads its argument (None where it takes none), its width, and what it is in torch."""

    example: str
    read: Callable[[str], float] | None
    width: Callable[[int, float], int]
    build: Callable[[int, float], nn.Module]


@dataclass(frozen=True)
class Layer:
    """A layer before the last part: its ``kind`` in LAYERS and the argument of that, None where it takes none."""

    kind: str
    argument: float | None = None

    def __str__(self) -> str:
        return self.kind if self.argument is None else f"{self.kind}:{_written(self.argument)}"


@dataclass(frozen=True)
class Head:
    """New layers: those ``before``; ``hidden`` sizes, each followed by ReLU and ``dropout`` (a share); the classes."""

    hidden: tuple[int, ...] = ()
    dropout: float = 0.0
    before: tuple[Layer, ...] = ()

    def __str__(self) -> str:
        kind = f"mlp:{','.join(map(str, self.hidden))}" if self.hidden else "linear"
        last = f"{kind}:dropout={_written(self.dropout)}" if self.dropout else kind
        return "+".join((*map(str, self.before), last))


_LAST = re.compile(r"(?:linear|mlp:(?P<hidden>\d+(?:,\d+)*))(?::dropout=(?P<dropout>[\d.]+))?")


def parse(text: str) -> Head:
    """Return the head written as ``linear``, ``mlp:512,128``, ``norm+mlp:256:dropout=0.2``; raises UsageError."""
    *before, last = text.split("+")
    try:
        layers = tuple(_layer(part) for part in before)
        match = _LAST.fullmatch(last)
        if not match:
            hint = nearest(last.partition(":")[0], ("linear", "mlp"))
            raise ValueError(f"it ends with '{last}' and not with linear or, for example, mlp:256.{hint}")
        hidden = tuple(map(_size, match["hidden"].split(","))) if match["hidden"] else ()
        return Head(hidden, _share(match["dropout"] or "0"), layers)
    except ValueError as error:
        raise UsageError(
            f"Unknown head '{text}': {error} Write linear, mlp:256, mlp:512,128 or mlp:256:dropout=0.2, and before it "
            f"any of {', '.join(kind.example for kind in LAYERS.values())}, joined by +: norm+project:128+linear."
        ) from None


def build(head: Head, features: int, classes: int) -> nn.Sequential:
    """Return the layers from (N, ``features``) to logits of shape (N, ``classes``), with random weights.

    In training mode, ``norm`` needs at least two images in a batch.
    """
    from torch import nn

    layers: list[nn.Module] = []
    for layer in head.before:
        kind, argument = LAYERS[layer.kind], layer.argument or 0
        layers.append(kind.build(features, argument))
        features = kind.width(features, argument)
    sizes = (features, *head.hidden)
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU(), *_dropouts(head)]
    if not head.hidden:
        layers += _dropouts(head)
    return nn.Sequential(*layers, nn.Linear(sizes[-1], classes))


def _layer(text: str) -> Layer:
    name, colon, argument = text.partition(":")
    kind = LAYERS.get(name)
    if kind is None:
        raise ValueError(f"'{text}' is no layer before the last.{nearest(name, LAYERS)}")
    if (kind.read is None) == bool(colon):
        raise ValueError(f"'{text}' is written {kind.example}.")
    return Layer(name, kind.read(argument) if kind.read else None)


def _size(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= WIDEST:
        raise ValueError(f"'{text}' is no size from 1 to {WIDEST}.")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise ValueError(f"'{text}' is no share from 0 to below 1.")
    return share


def _written(number: float) -> str:
    """Return a number as `_size` and `_share` read it, without an exponent."""
    return f"{number:.12f}".rstrip("0").rstrip(".")


def _dropouts(head: Head) -> list[nn.Module]:
    return [_dropout(0, head.dropout)] if head.dropout else []


def _norm(features: int, _: float) -> nn.Module:
    from torch import nn

    return nn.BatchNorm1d(features)


def _project(features: int, size: float) -> nn.Module:
    from torch import nn

    return nn.Linear(features, int(size))


def _dropout(_: int, share: float) -> nn.Module:
    from torch import nn

    return nn.Dropout(share)


# A projection is linear, as everywhere in the field: with an activation it would be a hidden layer of an mlp.
LAYERS: Mapping[str, Kind] = {
    "norm": Kind("norm", None, lambda features, _: features, _norm),
    "project": Kind("project:128", _size, lambda _, size: int(size), _project),
    "dropout": Kind("dropout:0.2", _share, lambda features, _: features, _dropout),
}
