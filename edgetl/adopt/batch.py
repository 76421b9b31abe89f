"""Making a batch that was fixed when the model was exported a dynamic one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edgetl.adopt.engine import Floats, Output, Reference
from edgetl.errors import UsageError
from edgetl.graph.clean import BATCH

# The batch that shapes are inferred for: a prime that no network has as a size.
_PROBE = 1009
# One image, and a number that no network was exported with.
_TRIED = (1, 3)
# Rounding stays far below, a graph that mixes images up far above this part of what an image changes.
_ALIKE = 1e-2


def set_input(model: onnx.ModelProto, name: str, batch: int | str, side: int) -> None:
    """Give the input ``name`` of ``model`` the shape (batch, 3, side, side), in place, and forget inferred shapes."""
    del model.graph.value_info[:]
    value = next(each for each in model.graph.input if each.name == name)
    value.CopyFrom(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [batch, 3, side, side]))


def keep_output(model: onnx.ModelProto, output: Output, batch: int | str) -> None:
    """Make ``output`` the only one of ``model``, (batch, classes), in place."""
    del model.graph.output[:]
    model.graph.output.append(
        onnx.helper.make_tensor_value_info(output.name, onnx.TensorProto.FLOAT, [batch, output.classes])
    )


def free(model: onnx.ModelProto, batch: int) -> None:
    """Let what holds the fixed ``batch`` take any, in place: targets of Reshapes, and constants joined to the images.

    Constants have been folded before. Shapes are inferred for another batch; the first operator that does not go with
    it is mended, until all do. What cannot be mended is left to `verify`.
    """
    for _ in range(len(model.graph.node)):
        shapes = _shapes(model)
        if not any(_mend(model, index, shapes, batch) for index in range(len(model.graph.node))):
            return


def _shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Return the shapes known at a batch of `_PROBE`, inferred without copying any weights."""
    graph = model.graph
    small = [tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT64]
    others = [tensor for tensor in graph.initializer if tensor.data_type != onnx.TensorProto.INT64]
    inputs = [onnx.helper.make_tensor_value_info(each.name, each.data_type, list(each.dims)) for each in others]
    image = onnx.ValueInfoProto()
    image.CopyFrom(graph.input[0])
    image.type.tensor_type.shape.dim[0].dim_value = _PROBE
    skeleton = onnx.helper.make_model(
        onnx.helper.make_graph(list(graph.node), "shapes", [image, *inputs], [], small),
        opset_imports=list(model.opset_import),
        ir_version=model.ir_version,
    )
    graph = onnx.shape_inference.infer_shapes(skeleton, data_prop=True).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in small}
    for value in (*graph.input, *graph.value_info):
        sizes = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(each.HasField("dim_value") for each in sizes):
            shapes[value.name] = [each.dim_value for each in sizes]
    return shapes


def _mend(model: onnx.ModelProto, index: int, shapes: Mapping[str, list[int]], batch: int) -> bool:
    """Mend the operator at ``index`` if it does not go with another batch, and return whether it was mended."""
    node = model.graph.node[index]
    if node.op_type == "Reshape":
        return _mend_reshape(model, index, shapes, batch)
    if node.op_type == "Gather":
        return _mend_gather(model, index, shapes, batch)
    if node.op_type == "Concat" and next(each.i for each in node.attribute if each.name == "axis") != 0:
        return _mend_concat(model, index, shapes, batch)
    return False


def _mend_reshape(model: onnx.ModelProto, index: int, shapes: Mapping[str, list[int]], batch: int) -> bool:
    node = model.graph.node[index]
    constant = next((each for each in model.graph.initializer if each.name == node.input[1]), None)
    source = shapes.get(node.input[0])
    if constant is None or source is None:
        return False
    target = [int(size) for size in numpy_helper.to_array(constant).ravel()]
    freed = _freed(target, source, batch)
    if freed == target:
        return False
    # A new name, since another Reshape may share the old constant.
    node.input[1] = _constant(model, f"{node.input[1]}_any_{index}", np.array(freed, np.int64))
    kept = [each for each in node.attribute if each.name != "allowzero"]
    del node.attribute[:]
    node.attribute.extend(kept)
    return True


def _freed(target: list[int], source: list[int], batch: int) -> list[int]:
    """Return the target of a Reshape of ``source``, of a batch of `_PROBE`, with the size that holds it open."""
    if not target or not source or 0 in target:
        return target
    if -1 in target:
        # What is left took the batch along.
        return [0, *target[1:]] if target[0] == batch and source[0] == _PROBE else target
    if math.prod(target) == math.prod(source):
        return target
    place = _place(target, source, batch)
    return [-1 if at == place else size for at, size in enumerate(target)]


def _place(target: list[int], source: list[int], batch: int) -> int:
    """Return where the batch is most likely in the target of a Reshape; a wrong guess fails to be verified.

    Of the sizes that are not also the source's: the first that is the batch itself, or else the first at all. Features,
    which come last and may be of several axes, are not merged with the batch where they can stay.
    """
    changed = [at for at, size in enumerate(target) if at >= len(source) or size != source[at]]
    alone = [at for at in changed if target[at] == batch]
    if alone:
        return alone[0]
    together = {math.prod(source[at:]) for at in range(len(source))}
    if target[-1] in together and len(target) > 1:
        changed = [at for at in changed if at != len(target) - 1]
    return changed[0] if changed else 0


def _mend_gather(model: onnx.ModelProto, index: int, shapes: Mapping[str, list[int]], batch: int) -> bool:
    """Turn a Gather that takes all values in their order into a Reshape, which can then be freed.

    torch's exporter writes the views of a channels-last network so: flattened, and gathered by an arange of the shape.
    """
    node = model.graph.node[index]
    constant = next((each for each in model.graph.initializer if each.name == node.input[1]), None)
    flat = next((each for each in model.graph.node if node.input[0] in each.output), None)
    if constant is None or flat is None or flat.op_type != "Reshape" or any(each.i for each in node.attribute):
        return False
    target = next((each for each in model.graph.initializer if each.name == flat.input[1]), None)
    places = numpy_helper.to_array(constant)
    source = shapes.get(flat.input[0])
    if target is None or [*numpy_helper.to_array(target)] != [-1] or source is None:
        return False
    if places.size * _PROBE != math.prod(source) * batch or not np.array_equal(places.ravel(), np.arange(places.size)):
        return False
    shape = _constant(model, f"{node.output[0]}_shape_{index}", np.array(places.shape, np.int64))
    view = onnx.helper.make_node("Reshape", [flat.input[0], shape], [node.output[0]], name=node.name)
    model.graph.node[index].CopyFrom(view)
    return True


def _mend_concat(model: onnx.ModelProto, index: int, shapes: Mapping[str, list[int]], batch: int) -> bool:
    """Repeat constants, such as a transformer's class token, for each image that they are joined to."""
    node = model.graph.node[index]
    constants = {tensor.name for tensor in model.graph.initializer}
    images = [name for name in node.input if name not in constants and shapes.get(name, [0])[0] == _PROBE]
    fixed = [name for name in node.input if name in constants and shapes.get(name, [0])[0] == batch]
    if not images or not fixed:
        return False
    added = []
    for number, name in enumerate(dict.fromkeys(fixed)):
        prefix = f"{name}_any_{index}_{number}"
        first = _constant(model, f"{prefix}_first", np.array([0], np.int64))
        # A batch of constants that differ is one that cannot be repeated; then the logits tell.
        tail = _constant(model, f"{prefix}_tail", np.array(shapes[name][1:], np.int64))
        one = _constant(model, f"{prefix}_one", _first_of(model, name))
        added += [
            onnx.helper.make_node("Shape", [images[0]], [f"{prefix}_shape"]),
            onnx.helper.make_node("Gather", [f"{prefix}_shape", first], [f"{prefix}_batch"]),
            onnx.helper.make_node("Concat", [f"{prefix}_batch", tail], [f"{prefix}_size"], axis=0),
            onnx.helper.make_node("Expand", [one, f"{prefix}_size"], [prefix]),
        ]
        for place, each in enumerate(node.input):
            if each == name:
                node.input[place] = prefix
    for each in reversed(added):
        model.graph.node.insert(index, each)
    return True


def _first_of(model: onnx.ModelProto, name: str) -> Floats:
    array: Floats = numpy_helper.to_array(next(each for each in model.graph.initializer if each.name == name))
    return array[:1]


def _constant(model: onnx.ModelProto, name: str, array: NDArray[Any]) -> str:
    """Add a constant to ``model`` and return its name: ``name``, or that with something behind it."""
    taken = {tensor.name for tensor in model.graph.initializer}
    while name in taken:
        name += "_"
    model.graph.initializer.append(numpy_helper.from_array(array, name))
    return name


def verify(model: onnx.ModelProto, original: Reference, output: Output, side: int, what: str) -> None:
    """Raise UsageError unless ``model`` takes any batch and gives each image the logits that the original gives it."""
    pixels = np.random.default_rng(0).standard_normal((max(_TRIED), 3, side, side)).astype(np.float32)
    expected = original.logits(pixels, output.name)
    allowed = _ALIKE * max(float(np.max(np.ptp(expected, axis=0))), 1e-3 * float(np.max(np.abs(expected))))
    try:
        freed = Reference(model, None, what)
        alike = all(_alike(freed.logits(pixels[:size], output.name), expected[:size], allowed) for size in _TRIED)
    except UsageError:
        alike = False
    if not alike:
        raise UsageError(
            f"{what} works with one size of batch only, and its graph holds that size where edgetl cannot change it. "
            f"Export it with a dynamic batch (torch.onnx.export: dynamic_shapes=({{0: torch.export.Dim('{BATCH}')}},))."
        )


def _alike(actual: Floats, expected: Floats, allowed: float) -> bool:
    return actual.shape == expected.shape and bool(np.max(np.abs(actual - expected)) <= allowed)
