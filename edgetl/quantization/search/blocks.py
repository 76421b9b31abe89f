"""Which mix of int8 and float blocks should be fastest, from timings of a few mixes. Pure: nothing is run here.

A network is cut into blocks where a single tensor connects what lies before and behind. The latency of a mix is taken
to be that of all in float, plus what each int8 block changes, plus a cost of each border between int8 and float:

    latency(mix) = float + sum of gain[block] over int8 blocks + border * number of borders

The gains come from a least-squares fit to mixes that were timed in turns. The model only proposes; what it proposes is
timed like any other candidate.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import onnx

from edgetl.quantization.pairs import COMPUTE

# With one to start from, each block alone in int8 and each alone in float are timed: twice as many workers as blocks.
MAX_BLOCKS = 8

Mix = tuple[bool, ...]
Block = tuple[str, ...]


def blocks(model: onnx.ModelProto, most: int = MAX_BLOCKS) -> tuple[Block, ...]:
    """Return the names of a float ``model``'s nodes in at most ``most`` blocks of about as many convolutions each.

    Each begins with a convolution or a product; what comes before the first is in none.
    """
    parts = _split(model)
    while len(parts) > most:
        sizes = [_size(model, part) for part in parts]
        smallest = min(range(len(parts) - 1), key=lambda index: sizes[index] + sizes[index + 1])
        parts[smallest : smallest + 2] = [parts[smallest] + parts[smallest + 1]]
    return tuple(map(tuple, parts))


def first_mixes(count: int) -> list[Mix]:
    """Return the mixes to time first: all float, all int8, each block alone in int8, each block alone in float."""
    alone = [tuple(index == one for index in range(count)) for one in range(count)]
    return [(False,) * count, (True,) * count, *alone, *(tuple(not each for each in mix) for mix in alone)]


def proposals(timed: Mapping[Mix, float], most: int) -> list[Mix]:
    """Return the ``most`` mixes that should be fastest and were not timed, the fastest first.

    ``timed`` are latencies in any one unit. Empty where none should be faster than the fastest that was timed.
    """
    mixes = list(timed)
    gains, *_ = np.linalg.lstsq(
        np.array([_terms(mix) for mix in mixes]), np.array([timed[mix] for mix in mixes]), rcond=None
    )
    # A border that saves time is noise, and would make a patchwork look fast.
    gains[-1] = max(gains[-1], 0.0)
    every = itertools.product((False, True), repeat=len(mixes[0]))
    expected = {mix: float(np.array(_terms(mix)) @ gains) for mix in every}
    best = min(timed.values())
    better = [mix for mix in sorted(expected, key=expected.__getitem__) if mix not in timed and expected[mix] < best]
    return better[:most]


def float_nodes(parts: Sequence[Block], mix: Mix) -> frozenset[str]:
    """Return the names of the nodes in those of the blocks ``parts`` that ``mix`` leaves in float."""
    return frozenset(name for part, int8 in zip(parts, mix, strict=True) if not int8 for name in part)


def _terms(mix: Mix) -> list[float]:
    # The image is float where it enters, and the logits are where they leave.
    borders = sum(first != other for first, other in itertools.pairwise((False, *mix, False)))
    return [1.0, *map(float, mix), float(borders)]


def _split(model: onnx.ModelProto) -> list[Block]:
    """Return the nodes from the first convolution on, cut before each that alone reads all that lies before."""
    nodes = list(model.graph.node)
    constants = {each.name for each in model.graph.initializer}
    last_read = {name: index for index, node in enumerate(nodes) for name in node.input}
    parts: list[list[str]] = []
    alive: set[str] = set()
    for index, node in enumerate(nodes):
        if node.op_type in COMPUTE and (not parts or len(alive) == 1):
            parts.append([])
        if parts:
            parts[-1].append(node.name)
        alive |= _read_later(node.output, last_read, index) - constants
        alive = {name for name in alive if last_read.get(name, -1) > index}
    return [tuple(part) for part in parts]


def _read_later(names: Collection[str], last_read: Mapping[str, int], index: int) -> set[str]:
    return {name for name in names if last_read.get(name, -1) > index}


def _size(model: onnx.ModelProto, part: Block) -> int:
    names = set(part)
    return sum(node.name in names and node.op_type in COMPUTE for node in model.graph.node)
