"""A Q/DQ pair between a sum, or a layer, and the Relu behind it disappears, as at the end of every residual block.

The range of the Relu's output begins at zero, so that quantizing it cuts off what the Relu would: engines then compute
both as one integer operator. With a pair in between they round twice, and ONNX Runtime requantizes the whole tensor by
itself, which cost ResNet50 6 % of its latency. Behind a layer the quantizer leaves a pair where several read the Relu.
It is written as a rewrite of a graph with Q/DQ pairs.
"""

from __future__ import annotations

import onnx_ir as ir

from edgetl.quantization import unpair

NAME = "rectified"

_SOURCES = ("Add", "Conv", "Gemm")

call = unpair.call


def requires(node: ir.Node) -> bool:
    """Return whether ``node`` dequantizes what these give for Relus alone, whose results are quantized at once."""
    if not unpair.is_between(node, _SOURCES, ("Relu",)):
        return False
    after = [use.node for relu in node.outputs[0].uses() for use in relu.node.outputs[0].uses()]
    return bool(after) and all(each.op_type == "QuantizeLinear" for each in after)


def ensures(graph: ir.Graph) -> bool:
    """Return whether no such pair is left."""
    return not any(requires(node) for node in graph)
