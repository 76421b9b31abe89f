"""From a foreign classifier to the form that edgetl's own have: uint8 NHWC in, logits out, and nothing else to know."""

from __future__ import annotations

from dataclasses import replace

import onnx
import onnx.inliner
import onnx_ir as ir
from onnx import version_converter
from onnx_ir.passes import common as passes

from edgetl.adopt import batch as batches
from edgetl.adopt.engine import Output, Reference, sentence, tidied
from edgetl.adopt.source import STANDARD_DOMAINS, Source, weights
from edgetl.device.values import Preprocess
from edgetl.errors import UsageError
from edgetl.graph.clean import BATCH, clean
from edgetl.graph.from_torch import OUTPUT
from edgetl.graph.image_input import INPUT, take_images
from edgetl.graph.rewrite import rewrite

# LayerNormalization is one operator from 17 on; quantizing per channel needs 13. The first that works is taken.
OPSETS = (17, 13)


def canonical(source: Source, original: Reference, output: Output, preprocess: Preprocess) -> onnx.ModelProto:
    """Return ``source`` as a model that takes uint8 NHWC images of any batch and gives float logits (batch, classes).

    Raises UsageError for a graph that cannot be brought there. Metadata and the comparison of logits on photos are
    the caller's.
    """
    what, side = str(source.path), preprocess.crop
    given = weights(source)
    _constants_are_no_inputs(given)
    model = _without_shapes(given, source, original, output, side)
    if model is None:
        model = _tidied(given, source, output, side)
        batches.verify(model, original, output, side, what)
    _require_standard(model, what)
    return _with_images(model, preprocess)


def _without_shapes(
    given: onnx.ModelProto, source: Source, original: Reference, output: Output, side: int
) -> onnx.ModelProto | None:
    """Return the model of any batch without the operators that reckon with the batch's size, None where it has none.

    Of one image all of them are constants, which fold away; then the batch is freed again. Engines would run them for
    each image, and a quantizer would give them pairs. None, too, where that gives other logits.
    """
    if source.batch or not any(node.op_type == "Shape" for node in given.graph.node):
        return None
    copy = onnx.ModelProto()
    copy.CopyFrom(given)
    try:
        model = _tidied(copy, replace(source, batch=1), output, side)
        batches.verify(model, original, output, side, str(source.path))
    except UsageError:
        return None
    return model


def _tidied(model: onnx.ModelProto, source: Source, output: Output, side: int) -> onnx.ModelProto:
    """Return ``model`` tidied and, as far as it can be, with its batch free; the one given is changed."""
    what = str(source.path)
    batches.keep_output(model, output, source.batch or BATCH)
    batches.set_input(model, source.input, source.batch or BATCH, side)
    model = tidied(_converted(model, source), what)
    if source.batch:
        batches.set_input(model, source.input, source.batch, side)
        batches.free(model, source.batch)
        batches.set_input(model, source.input, BATCH, side)
        batches.keep_output(model, output, BATCH)
    return model


def _constants_are_no_inputs(model: onnx.ModelProto) -> None:
    """Take the weights out of the inputs, where old files list them: a constant there could be overridden."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, 4)


def _converted(model: onnx.ModelProto, source: Source) -> onnx.ModelProto:
    """Return ``model`` in an opset that quantizers know; raises UsageError where it cannot be converted."""
    if source.opset >= OPSETS[0]:
        return model
    # The converter forgets them.
    model = onnx.inliner.inline_local_functions(model) if model.functions else model
    reason = ""
    for opset in OPSETS:
        if source.opset >= opset:
            return model
        try:
            return version_converter.convert_version(model, opset)
        except Exception as error:  # noqa: BLE001 - the converter raises whatever its C++ throws
            reason = reason or sentence(error)
    raise UsageError(
        f"{source.path} is of opset {source.opset} and cannot be converted to {OPSETS[0]}: {reason}. Export it with "
        f"opset {OPSETS[0]} or later."
    )


def _require_standard(model: onnx.ModelProto, what: str) -> None:
    foreign = sorted({f"{node.domain}.{node.op_type}" for node in model.graph.node} - _standard(model))
    if foreign:
        raise UsageError(f"{what} has operators that are not ONNX's own ({', '.join(foreign[:3])}). Export it without.")
    # ONNX Runtime lists every domain that it knows.
    kept = [each for each in model.opset_import if each.domain in STANDARD_DOMAINS]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _standard(model: onnx.ModelProto) -> set[str]:
    return {f"{node.domain}.{node.op_type}" for node in model.graph.node if node.domain in STANDARD_DOMAINS}


def _with_images(model: onnx.ModelProto, preprocess: Preprocess) -> onnx.ModelProto:
    network = ir.from_proto(onnx.shape_inference.infer_shapes(model))
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(network)
    _make_room(network)
    take_images(network, preprocess)
    rewrite(network)
    clean(network, output=OUTPUT)
    proto: onnx.ModelProto = ir.to_proto(network)
    onnx.checker.check_model(proto)
    return proto


def _make_room(network: ir.Model) -> None:
    """Rename what has a name that the new input, what normalizes it, or the output is going to have."""
    graph = network.graph
    values = [value for node in graph for value in node.outputs if not value.is_graph_output()]
    for value in (*values, *list(graph.initializers.values())):
        if value.name and (value.name == OUTPUT or value.name.startswith(INPUT)):
            value.name = f"inner_{value.name}"
