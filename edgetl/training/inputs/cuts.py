"""Cutting a backbone in two: a frozen trunk, whose output can be kept, and a tail that is trained.

The network is traced (torch.fx) into a sequence of operations. It may be cut where nothing but one tensor flows on: not
inside a residual block or between parallel branches. A *stage* is what works at one spatial resolution (He et al.,
2016, name those of ResNet conv1 to conv5_x); operations on pooled features belong to the stage that was pooled. So the
last stage is layer4 of a ResNet, what computes on 7 x 7 in a MobileNetV2, and the fully-connected layers of a VGG.

============  ==================================================
MobileNetV2   112, 56, 28, 14, 7 pixels: 5 stages
ResNet        conv1, layer1 to layer4: 5 stages
VGG           224, 112, 56, 28, 14 pixels, classifier: 6 stages
============  ==================================================
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from edgetl.backbones import Backbone
from edgetl.errors import UsageError

# Convolutions without padding trim an edge; a resolution has changed when it is less than this part of what it was.
SMALLER = 0.75


@dataclass(frozen=True)
class Cut:
    """Two networks with ``tail(trunk(x)) == network(x)``; ``trunk`` is None when everything is in the tail.

    Both keep the network's own names in their ``state_dict``. The trunk is frozen, in evaluation mode, and shares its
    tensors with the network; the tail has copies of its own, which require gradients, so that training it changes
    neither the network nor the weights that it was made of.
    """

    trunk: nn.Module | None
    tail: nn.Module


def stages(network: nn.Module, side: int) -> int:
    """Return how many stages ``network`` has for images of ``side`` pixels."""
    return len(_boundaries(_trace(network), side)) + 1


def split(network: nn.Module, backbone: Backbone, unfrozen: int) -> Cut:
    """Return ``network``, a ``backbone``, cut before its last ``unfrozen`` stages; raises UsageError for too many."""
    trunk, tail = _halves(network, backbone, unfrozen)
    return Cut(None if trunk is None else trunk.eval().requires_grad_(False), _trainable(tail))


def parameters(network: nn.Module, backbone: Backbone, unfrozen: int) -> frozenset[str]:
    """Return the names of the parameters in the last ``unfrozen`` stages; raises UsageError for too many."""
    return frozenset(name for name, _ in _halves(network, backbone, unfrozen)[1].named_parameters())


def _halves(network: nn.Module, backbone: Backbone, unfrozen: int) -> tuple[nn.Module | None, nn.Module]:
    traced = _trace(network)
    boundaries = _boundaries(traced, backbone.preprocess.crop)
    count = len(boundaries) + 1
    if not 1 <= unfrozen <= count:
        raise UsageError(f"Cannot unfreeze {unfrozen} stages: {backbone.name} has {count}. Choose from 1 to {count}.")
    if unfrozen == count:
        return None, network
    return _parts(traced, boundaries[-unfrozen])


def _trainable(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module).eval().requires_grad_(True)


class _Tracer(fx.Tracer):
    """Keeps modules without parts whole, torchvision's too: what they do in training is then not lost."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not any(True for _ in m.children()) or super().is_leaf_module(m, module_qualified_name)


def _trace(network: nn.Module) -> fx.GraphModule:
    # In evaluation, so that no auxiliary output is traced; layers that differ in training are modules.
    training = network.training
    try:
        return fx.GraphModule(network, _Tracer().trace(network.eval()))
    finally:
        network.train(training)


def _parts(traced: fx.GraphModule, cut: fx.Node) -> tuple[nn.Module, nn.Module]:
    """Return what computes ``cut``, and what computes the output from it."""
    first, second = fx.Graph(), fx.Graph()
    copied: dict[fx.Node, fx.Node] = {}
    graph = first
    for node in traced.graph.nodes:
        copied[node] = graph.node_copy(node, copied.__getitem__)
        if node is cut:
            first.output(copied[node])
            graph = second
            copied = {node: second.placeholder("activations")}
    return fx.GraphModule(traced, first, "Trunk"), fx.GraphModule(traced, second, "Tail")


@dataclass(frozen=True)
class _Point:
    """A place where the network may be cut: after ``node``, whose output has this ``shape`` (channels, height, width).

    ``learns`` says whether there are parameters between the place before and this one, ``lone`` whether there is
    nothing but ``node``.
    """

    node: fx.Node
    shape: tuple[int, ...]
    learns: bool
    lone: bool

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def resolution(self) -> int:
        return min(self.shape[1:])


def _boundaries(traced: fx.GraphModule, side: int) -> list[fx.Node]:
    """Return the nodes after which a stage begins, all but the first one's."""
    points, learns_after = _points(traced, side)
    found = []
    for index in range(1, len(points)):
        # Pooling to one pixel ends the last stage and begins none.
        if 1 < points[index].resolution < SMALLER * points[index - 1].resolution:
            point = _back(points, index - 1) if points[index].learns else index
            found.append(point)
    # A stage without parameters (pooling at the very beginning, say) is none.
    edges = [0, *found, len(points)]
    learning = [*(point.learns for point in points), learns_after]
    kept, start = [], 0
    for edge, following in pairwise(edges[1:]):
        if any(learning[start + 1 : edge + 1]) and any(learning[edge + 1 : following + 1]):
            kept.append(points[edge].node)
            start = edge
    return kept


def _back(points: Sequence[_Point], index: int) -> int:
    """Return the narrowest place just before ``index``: a bottleneck block widens its input before it shrinks it."""
    here = index
    while here > 0 and points[here].lone and points[here - 1].resolution == points[index].resolution:
        here -= 1
        if points[here].size != points[here + 1].size:
            return here if points[here].size < points[index].size else index
    return index


def _points(traced: fx.GraphModule, side: int) -> tuple[list[_Point], bool]:
    """Return the places where ``traced`` may be cut, its input first, and whether parameters follow the last one."""
    shapes = _shapes(traced, side)
    learning = {name.rpartition(".")[0] for name, _ in traced.named_parameters()}
    nodes = list(traced.graph.nodes)
    order = {node: position for position, node in enumerate(nodes)}
    points: list[_Point] = []
    needed, learns, since = 0, False, 0
    for position, node in enumerate(nodes):
        learns = learns or node.op == "get_attr" or (node.op == "call_module" and node.target in learning)
        since += 1
        if needed <= position and len(shapes.get(node, ())) == 3:
            points.append(_Point(node, shapes[node], learns, since == 1))
            learns, since = False, 0
        needed = max([needed, *(order[user] for user in node.users)])
    return points, learns


def _shapes(traced: fx.GraphModule, side: int) -> Mapping[fx.Node, tuple[int, ...]]:
    """Return the shape of each node's tensor for one image, without the batch; nothing is computed or allocated."""
    recorder = _Recorder(traced)
    tensors = {name: torch.empty_like(tensor, device="meta") for name, tensor in recorder.state_dict().items()}
    functional_call(recorder, tensors, (torch.empty(1, 3, side, side, device="meta"),))
    return recorder.shapes


class _Recorder(nn.Module):
    """Runs a traced network and keeps the shapes of what its nodes put out."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__()
        self.traced = traced
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}

    def forward(self, images: Tensor) -> None:
        shapes = self.shapes
        calls = self.traced.graph.find_nodes(op="call_module")
        normalizations = {node for node in calls if isinstance(self.traced.get_submodule(node.target), _BatchNorm)}

        class Shapes(fx.Interpreter):
            def run_node(self, n: fx.Node) -> Any:
                # BatchNorm keeps the shape, and to find that out takes longer than all other layers together.
                result = self.env[n.all_input_nodes[0]] if n in normalizations else super().run_node(n)
                if isinstance(result, Tensor):
                    shapes[n] = tuple(result.shape[1:])
                return result

        Shapes(self.traced).run(images)
