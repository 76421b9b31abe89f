"""Calibration: the range of every activation over images that stream by: memory does not grow with their number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgetl.device.cores import cores_allowed
from edgetl.graph.hard_swish import REACH
from edgetl.quantization.calibration.ranges import METHODS, MinMax, Observer, Range, Several
from edgetl.recipes import Recipe

# A range read off these outputs holds for their input as well: quantization merges the two.
_FUSED_ACTIVATIONS = ("Relu", "Clip")
# Of a constant that is not exact in float32.
_ROUNDING = 1e-6


Ranges = dict[str, Range]


def calibrate(model: onnx.ModelProto, batches: Iterable[NDArray[np.uint8]], recipe: Recipe) -> Ranges:
    """Return the range of each float activation of ``model`` by ``recipe.method``; ``batches`` are uint8 NHWC."""
    return next(iter(calibrate_each(model, batches, recipe).values()))


def calibrate_each(model: onnx.ModelProto, batches: Iterable[NDArray[np.uint8]], recipe: Recipe) -> dict[str, Ranges]:
    """Return what `calibrate` does by each method that ``recipe.method`` stands for, from one pass over the images.

    This runs in the host's process: the activations of one image take megabytes, which would spend longer in a
    worker's pipe than in the network.
    """
    typed = onnx.shape_inference.infer_shapes(model)
    readers = _readers(typed.graph)
    fused, scaled = _fused(typed.graph, readers), _scaled_clips(typed.graph, readers)
    names = [name for name in _float_activations(typed.graph) if name not in fused and name not in scaled]
    # To cut the range of logits would make the classes equal that an image is surest of.
    logits = {value.name for value in typed.graph.output}
    observers: dict[str, Observer] = {
        name: MinMax() if name in logits else METHODS[recipe.method](recipe) for name in names
    }
    # Of a tensor with infinite values the extremes say nothing about the others.
    extremes_only = recipe.method == "minmax" and not infinite_constants(typed.graph)
    running = session(_observed(typed, names, extremes_only=extremes_only))
    image = typed.graph.input[0].name
    outputs = [output for name in names for output in _outputs(name, extremes_only=extremes_only)]
    for batch in batches:
        values = dict(zip(outputs, running.run(outputs, {image: batch}), strict=True))
        for name in names:
            found = [values[output] for output in _outputs(name, extremes_only=extremes_only)]
            observers[name].observe(_finite(np.stack(found) if extremes_only else np.atleast_1d(found[0])))
    by_method = {name: _by_method(observer, recipe.method) for name, observer in observers.items()}
    methods = max((list(each) for each in by_method.values()), key=len, default=[recipe.method])
    return {
        method: _completed(
            {name: each.get(method, next(iter(each.values()))) for name, each in by_method.items()} | scaled,
            typed.graph,
            readers,
            fused,
        )
        for method in methods
    }


def infinite_constants(graph: onnx.GraphProto) -> set[str]:
    """Return the names of the float constants that hold an infinity, such as a mask or what pads a MaxPool."""
    floats = (each for each in graph.initializer if each.data_type == TensorProto.FLOAT)
    return {each.name for each in floats if np.isinf(numpy_helper.to_array(each)).any()}


def _finite(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``values``, those that are infinite as 0: they have no place in a range."""
    return values if np.isfinite(values.sum()) else np.where(np.isinf(values), np.float32(0), values)


def _by_method(observer: Observer, method: str) -> Mapping[str, Range]:
    return observer.ranges() if isinstance(observer, Several) else {method: observer.range()}


def _completed(ranges: Ranges, graph: onnx.GraphProto, readers: Mapping[str, int], fused: Mapping[str, str]) -> Ranges:
    """Return ``ranges`` cut where a function makes values equal, and with those of tensors that were not observed."""
    for name in _only_hard_swished(graph, readers) & ranges.keys():
        low, high = ranges[name].low, ranges[name].high
        ranges[name] = Range(max(low, min(-REACH, high)), high)
    # In reverse, since a fused activation may read another.
    for before, after in reversed(list(fused.items())):
        ranges[before] = ranges[after]
    return ranges


def _observed(model: onnx.ModelProto, names: list[str], *, extremes_only: bool) -> onnx.ModelProto:
    """Return ``model`` with ``names`` as outputs, or with two scalars each: smallest and largest value."""
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    graph = observed.graph
    del graph.output[:]
    for name in names:
        if extremes_only:
            for operator, output in zip(("ReduceMin", "ReduceMax"), _outputs(name, extremes_only=True), strict=True):
                graph.node.append(helper.make_node(operator, [name], [output], keepdims=0))
        for output in _outputs(name, extremes_only=extremes_only):
            graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, None))
    return observed


def _outputs(name: str, *, extremes_only: bool) -> tuple[str, ...]:
    return (f"{name}__min", f"{name}__max") if extremes_only else (name,)


def _float_activations(graph: onnx.GraphProto) -> list[str]:
    inferred = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.output)}
    made = (name for node in graph.node for name in node.output)
    return [name for name in made if inferred.get(name) == TensorProto.FLOAT]


def _fused(graph: onnx.GraphProto, readers: Mapping[str, int]) -> dict[str, str]:
    """Return input to output of each activation function of floats that is the only reader of its input."""
    floats = set(_float_activations(graph))
    functions = [node for node in graph.node if node.op_type in _FUSED_ACTIVATIONS and node.output[0] in floats]
    return {node.input[0]: node.output[0] for node in functions if readers.get(node.input[0]) == 1}


def _scaled_clips(graph: onnx.GraphProto, readers: Mapping[str, int]) -> dict[str, Range]:
    """Return the ranges of each Clip that only a scalar Mul reads, and of that Mul: they follow from the bounds.

    Whatever the images, both tensors then have the same integers, and the scale can be absorbed.
    """
    constants, made = _scalars(graph), _made(graph)
    ranges: dict[str, Range] = {}
    for node in graph.node:
        clip, factor = _scaled(node, made, constants)
        if clip is None or factor is None or clip.op_type != "Clip" or readers[clip.output[0]] != 1:
            continue
        low, high = (constants.get(name) for name in (*clip.input[1:], "", "")[:2])
        if low is not None and high is not None and low <= 0 <= high and factor > 0:
            ranges[clip.output[0]] = Range(low, high)
            ranges[node.output[0]] = Range(factor * low, factor * high)
    return ranges


def _only_hard_swished(graph: onnx.GraphProto, readers: Mapping[str, int]) -> set[str]:
    """Return the tensors that nothing but HardSwish reads, whole or in parts: below -3 all is 0 after it."""
    constants, made = _scalars(graph), _made(graph)
    reads: dict[str, int] = {}
    for node in graph.node:
        name = node.input[0] if node.op_type == "HardSwish" else _split_hard_swish(node, made, constants)
        if name is not None:
            # In parts it is read twice: by the sum and by the product.
            reads[name] = reads.get(name, 0) + (1 if node.op_type == "HardSwish" else 2)
    return {name for name, count in reads.items() if readers[name] == count}


def _split_hard_swish(
    node: onnx.NodeProto, made: Mapping[str, onnx.NodeProto], constants: Mapping[str, float]
) -> str | None:
    """Return ``x`` where ``node`` is the last product of ``x * (Clip(x + 3, 0, 6) / 6)`` and reads no other sum."""
    if node.op_type != "Mul":
        return None
    for name, gate in (tuple(node.input), tuple(node.input)[::-1]):
        clip, factor = _scaled(made.get(gate), made, constants)
        if clip is None or factor is None or clip.op_type != "Clip" or abs(2 * REACH * factor - 1) > _ROUNDING:
            continue
        shift = made.get(clip.input[0])
        bounds = [constants.get(bound) for bound in clip.input[1:]]
        if shift is None or shift.op_type != "Add" or bounds != [0.0, 2 * REACH] or name not in shift.input:
            continue
        if REACH in (constants.get(each) for each in shift.input):
            return str(name)
    return None


def _scaled(
    node: onnx.NodeProto | None, made: Mapping[str, onnx.NodeProto], constants: Mapping[str, float]
) -> tuple[onnx.NodeProto | None, float | None]:
    """Return what makes the tensor that ``node`` multiplies by a scalar, and the scalar; None where it does not."""
    if node is not None and node.op_type == "Mul":
        for tensor, factor in (tuple(node.input), tuple(node.input)[::-1]):
            if tensor in made and factor in constants:
                return made[tensor], constants[factor]
    return None, None


def _scalars(graph: onnx.GraphProto) -> dict[str, float]:
    floats = (each for each in graph.initializer if each.data_type == TensorProto.FLOAT)
    return {each.name: float(numpy_helper.to_array(each).item()) for each in floats if math.prod(each.dims) == 1}


def _made(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    return {name: node for node in graph.node for name in node.output}


def _readers(graph: onnx.GraphProto) -> dict[str, int]:
    count: dict[str, int] = {}
    for name in (*(name for node in graph.node for name in node.input), *(value.name for value in graph.output)):
        count[name] = count.get(name, 0) + 1
    return count


def session(model: onnx.ModelProto, *, optimized: bool = True) -> Any:
    """Return an ONNX Runtime session of ``model`` in this process, on all cores that it may use.

    Products of 8 bits are summed exactly, also on x86-64 without VNNI, where they would saturate: what this machine
    cannot do is no property of the file. Of a model whose layers share weights ONNX Runtime cannot make such a session,
    and products are summed as this machine does. Where it is not ``optimized``, every tensor of the graph keeps
    existing.
    """
    data = model.SerializeToString()
    try:
        return _session(data, optimized=optimized, exact=True)
    except Exception:  # noqa: BLE001 - ONNX Runtime's errors have no common base; one of the model itself comes again
        return _session(data, optimized=optimized, exact=False)


def _session(data: bytes, *, optimized: bool, exact: bool) -> Any:
    options = ort.SessionOptions()
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = cores_allowed()
    # Errors are raised as well, and what is tried twice needs no line on a terminal.
    options.log_severity_level = 4
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
