"""Applying rewrites: where one's ``requires`` holds it is called, and afterwards its ``ensures`` must hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import onnx_ir as ir

from edgetl.errors import ExportError
from edgetl.graph import global_pool, head_conv, input_scale, norm_gemm, plain_gemm, sums, whole_hard_swish


class Rewrite(Protocol):
    """One change of a graph that leaves its float logits as they were, up to rounding. A module is one."""

    NAME: str

    def requires(self, node: ir.Node) -> bool:
        """Return whether the rewrite applies at ``node``."""

    def call(self, node: ir.Node) -> None:
        """Rewrite the graph around ``node``."""

    def ensures(self, graph: ir.Graph) -> bool:
        """Return whether the graph is as the rewrite promises."""


# In the order of application. A new rewrite is one file beside these and one line here.
REWRITES: tuple[Rewrite, ...] = (
    global_pool,
    sums,
    plain_gemm,
    whole_hard_swish,
    input_scale,
    norm_gemm,
    head_conv,
)


# A rewrite may make room for itself again, as when one scale follows another; more than this is a rewrite that fails.
_MAX_PASSES = 20


def rewrite(model: ir.Model, rewrites: Sequence[Rewrite] = REWRITES) -> dict[str, int]:
    """Apply ``rewrites`` to ``model`` in place and return how often each applied; raises ExportError if one failed."""
    return {each.NAME: _apply(each, model.graph) for each in rewrites}


def _apply(each: Rewrite, graph: ir.Graph) -> int:
    count = 0
    for _ in range(_MAX_PASSES):
        sites = [node for node in graph if each.requires(node)]
        if not sites:
            break
        for node in sites:
            each.call(node)
        count += len(sites)
    if not each.ensures(graph):
        raise ExportError(f"The graph rewrite '{each.NAME}' left a graph that it does not promise. Please report this.")
    return count
