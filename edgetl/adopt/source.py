"""What a foreign model file is, and every reason to refuse it before anything is made of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import onnx
from onnx import TensorProto, external_data_helper

from edgetl.errors import UsageError, nearest_path
from edgetl.files import sha256_file
from edgetl.graph import metadata
from edgetl.graph.image_input import INPUT
from edgetl.runs import digest

# A protobuf message holds at most 2 GiB, and the run's model file is one message.
MAX_BYTES = 2**31 - 1
MIN_OPSET = 11
CHANNELS = 3
STANDARD_DOMAINS = ("", "ai.onnx")

_QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "QLinear", "ConvInteger", "MatMulInteger", "QGemm", "QAttention")


@dataclass(frozen=True)
class Source:
    """A float classifier's file. ``batch`` and ``side`` (pixels) are those that it fixes, None for what is dynamic.

    ``sha256`` is the file's, ``digest`` that of all its files. ``facts`` are what edgetl wrote into it, None for a
    foreign model, whose input is float NCHW; edgetl's own takes uint8 NHWC.
    """

    path: Path
    sha256: str
    digest: str
    input: str
    opset: int
    batch: int | None
    side: int | None
    facts: metadata.ModelFacts | None


def look(path: Path) -> Source:
    """Return what the model file at ``path`` is, its weights not read; raises UsageError for what cannot be adopted."""
    model = _read(path)
    external = _external_files(model, path)
    _require_small(model, path)
    _require_float(model, path)
    opset = _opset(model, path)
    value = _only_input(model, path)
    facts = _facts(path) if _is_ours(model, value) else None
    batch, side = _sizes(value, path) if facts is None else (None, facts.preprocess.crop)
    return Source(
        path=path,
        sha256=(sha256 := sha256_file(path)),
        digest=digest(sha256, [(name, _hash(path.parent / name, path)) for name in external]),
        input=value.name,
        opset=opset,
        batch=batch,
        side=side,
        facts=facts,
    )


def weights(source: Source) -> onnx.ModelProto:
    """Return the model with all of its weights in it; raises UsageError where they cannot be read."""
    model = onnx.load(source.path, load_external_data=False)
    try:
        external_data_helper.load_external_data_for_model(model, str(source.path.parent))
    except (ValueError, OSError, onnx.checker.ValidationError) as error:
        raise UsageError(f"The weights of {source.path} cannot be read: {_sentence(error)}.") from error
    return model


def _read(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise UsageError(f"There is no model file {path}.{nearest_path(path)} Check its name.")
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(_too_large(path, path.stat().st_size))
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf raises its own kinds, and they changed between releases
        raise UsageError(f"{path} is not an ONNX model. Export yours, as with torch.onnx.export.") from error
    if not model.graph.node:
        raise UsageError(f"{path} is not an ONNX model, or one without operators. Export yours again.")
    return model


def _tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    # The helper's own: initializers and the tensors of attributes, those of subgraphs and functions too.
    yield from external_data_helper._get_all_tensors(model)


def _external_files(model: onnx.ModelProto, path: Path) -> list[str]:
    """Return the names of the files beside ``path`` that hold weights; raises UsageError for one that is elsewhere."""
    names = set()
    for tensor in _tensors(model):
        if external_data_helper.uses_external_data(tensor):
            names.add(next((entry.value for entry in tensor.external_data if entry.key == "location"), ""))
    for name in sorted(names):
        if _leaves(name):
            raise UsageError(
                f"{path} takes weights from '{name}', which is outside of its folder. Put the file beside the model "
                "and save the model again with a location relative to it."
            )
    return sorted(names)


def _leaves(location: str) -> bool:
    # Either system's way of naming a file: a model may come from the other one.
    ways = (PurePosixPath(location), PureWindowsPath(location))
    outside = any(way.is_absolute() or way.anchor or ".." in way.parts for way in ways)
    return outside or not location or "\0" in location


def _require_small(model: onnx.ModelProto, path: Path) -> None:
    """Refuse more weights than a file holds; told by their shapes, so nothing large is read for it."""
    outside = sum(_bytes(tensor) for tensor in _tensors(model) if external_data_helper.uses_external_data(tensor))
    total = path.stat().st_size + outside
    if total > MAX_BYTES:
        raise UsageError(_too_large(path, total))


def _bytes(tensor: TensorProto) -> int:
    try:
        size = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, ValueError, TypeError):
        size = 1
    return math.prod(max(int(side), 0) for side in tensor.dims) * int(size)


def _too_large(path: Path, size: int) -> str:
    return (
        f"{path} has {size / 1e9:.1f} GB of weights; an ONNX file holds at most 2 GB, and edgetl writes its candidates "
        "as one file each. Choose a smaller network."
    )


def _require_float(model: onnx.ModelProto, path: Path) -> None:
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    quantized = sorted({node.op_type for node in nodes if node.op_type.startswith(_QUANTIZED)})
    if quantized:
        raise UsageError(f"{path} is quantized already (it has {quantized[0]}). Give the float model.")
    # Half and bfloat16: what is made of them could not be told from what was lost before.
    if any(tensor.data_type in (TensorProto.FLOAT16, TensorProto.BFLOAT16) for tensor in model.graph.initializer):
        raise UsageError(f"{path} holds weights of 16 bits. Give the float32 model.")


def _opset(model: onnx.ModelProto, path: Path) -> int:
    opset = next((each.version for each in model.opset_import if each.domain in STANDARD_DOMAINS), 0)
    if opset < MIN_OPSET:
        raise UsageError(f"{path} is of opset {opset}; edgetl takes {MIN_OPSET} and later. Export it with a later one.")
    return int(opset)


def _only_input(model: onnx.ModelProto, path: Path) -> onnx.ValueInfoProto:
    # Files of an old IR version list their weights among the inputs.
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs: list[onnx.ValueInfoProto] = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs[:5]) or "none"
        raise UsageError(f"{path} has {len(inputs)} inputs ({names}); an image classifier has one. Export it so.")
    return inputs[0]


def _is_ours(model: onnx.ModelProto, value: onnx.ValueInfoProto) -> bool:
    marked = any(entry.key == f"{metadata.PREFIX}preprocess" for entry in model.metadata_props)
    return marked and value.name == INPUT and value.type.tensor_type.elem_type == TensorProto.UINT8


def _facts(path: Path) -> metadata.ModelFacts:
    try:
        return metadata.read(path)
    except (KeyError, ValueError, TypeError) as error:
        raise UsageError(f"What edgetl wrote into {path} is damaged ({error!r}). Export it again.") from error


def _sizes(value: onnx.ValueInfoProto, path: Path) -> tuple[int | None, int | None]:
    """Return the fixed batch and the fixed side of a float NCHW input; raises UsageError for any other input."""
    kind = value.type.tensor_type
    where = f"The input '{value.name}' of {path}"
    if not value.type.HasField("tensor_type") or kind.elem_type != TensorProto.FLOAT:
        found = TensorProto.DataType.Name(kind.elem_type).lower()
        raise UsageError(f"{where} is {found}; it must be float32 (batch, 3, height, width). Export it so.")
    shape = [each.dim_value if each.HasField("dim_value") else None for each in kind.shape.dim]
    shown = "(" + ", ".join(str(each.dim_value or each.dim_param or "?") for each in kind.shape.dim) + ")"
    if len(shape) != 4 or shape[1] not in (None, CHANNELS):
        raise UsageError(f"{where} is {shown}; it must be (batch, 3, height, width). Export it so.")
    batch, _, height, width = shape
    if any(size is not None and size < 1 for size in (batch, height, width)):
        raise UsageError(f"{where} is {shown}, which holds no image. Export it with another size.")
    if height and width and height != width:
        raise UsageError(f"{where} is {shown}; edgetl crops images to squares. Export it for a square one.")
    return batch, height or width


def _hash(file: Path, path: Path) -> str:
    try:
        return sha256_file(file)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"The weights of {path} cannot be read: {file} ({why}). Put the file beside it.") from error


def _sentence(error: BaseException) -> str:
    lines: list[Any] = str(error).strip().splitlines()
    return str(lines[0])[:200].rstrip(".") if lines else type(error).__name__
