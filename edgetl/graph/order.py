"""The order of a graph's nodes."""

from __future__ import annotations

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import TopologicalSortPass


def in_order(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return ``model`` with each node behind what it reads, what the branches of an If read included.

    ONNX Runtime's quantizer overlooks those, and its converter to half precision puts casts of constants last.
    """
    graph = ir.from_proto(model)
    TopologicalSortPass()(graph)
    result: onnx.ModelProto = ir.to_proto(graph)
    return result
