"""Removing what a model file should not carry: paths of the machine that made it, and names that count upwards."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common as passes

from edgetl import __version__

BATCH = "batch"


def clean(model: ir.Model, *, output: str) -> None:
    """Make ``model`` depend on nothing but the network, in place: the same weights give the same bytes.

    The exporter writes stack traces with local paths into each node, and a symbol with a running number as batch size.
    Shapes of inner values are dropped with it: every engine infers them.
    """
    passes.RemoveUnusedNodesPass()(model)
    graph = model.graph
    model.producer_name, model.producer_version, model.doc_string = "edgetl", __version__, None
    graph.name, graph.doc_string = "classifier", None
    for holder in (model, graph):
        holder.metadata_props.clear()
    for index, node in enumerate(graph):
        node.name = f"{node.op_type.lower()}_{index}"
        node.doc_string = None
        node.metadata_props.clear()
        for value in node.outputs:
            value.shape = None if not value.is_graph_output() else value.shape
            value.doc_string = None
            value.metadata_props.clear()
    for value in (*graph.inputs, *graph.outputs, *graph.initializers.values()):
        value.doc_string = None
        value.metadata_props.clear()
    graph.outputs[0].name = output
    for value in (*graph.inputs, *graph.outputs):
        assert value.shape is not None
        value.shape = ir.Shape([BATCH if position == 0 else size for position, size in enumerate(value.shape)])
