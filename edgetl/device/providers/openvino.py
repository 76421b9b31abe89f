"""OpenVINO itself, which reads the same ONNX file, or its own IR; runs on Intel, AMD and Arm CPUs."""

from __future__ import annotations

import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edgetl.device.providers.base import (
    EngineSession,
    Logits,
    ModelError,
    Pixels,
    ProviderUnavailable,
    Session,
    batch_of,
    check_input,
    engine_options,
    sentence,
    streams_of,
)
from edgetl.device.values import LoadReport, SessionSpec

REMEDY = "Install it: pip install 'edgetl[openvino]'."

# Left alone, OpenVINO computes in bf16 wherever the CPU has it, and calls that fp32. In an int8 model the hint is for
# the layers left in float: "int8+bf16" makes those bf16.
PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32", "int8+bf16": "bf16"}

# The layers that do the arithmetic, by how their kinds begin, decide what a model "runs in"; and OpenVINO's types.
_HEAVY = ("Convolution", "FullyConnected", "MatMul", "Deconvolution")
_PRECISIONS = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "u8": "int8", "i8": "int8"}
# OpenVINO's IR is two files; they come as one zip of exactly these, not compressed.
_IR_SUFFIX, _IR = ".zip", ("model.xml", "model.bin")
_NOT_RUN = ("Const", "Input", "Output")


def load(model: Path, spec: SessionSpec, threads: int) -> Session:
    """Return a session on OpenVINO; option ``device`` names another device than CPU, the others are its properties.

    Raises ProviderUnavailable where OpenVINO or the device is missing, ModelError where it does not take the model.
    """
    ov = import_openvino()
    options = dict(engine_options(spec))
    device = options.pop("device", "CPU")
    core = ov.Core()
    if device.partition(".")[0] not in {name.partition(".")[0] for name in core.available_devices}:
        found = ", ".join(core.available_devices) or "none"
        raise ProviderUnavailable(f"OpenVINO finds no device '{device}' here (it finds {found}). Install its driver.")
    streams = streams_of(spec)
    properties = {
        "INFERENCE_PRECISION_HINT": PRECISION_HINTS.get(spec.precision, "f32"),
        "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
        "NUM_STREAMS": str(streams),
        **({"INFERENCE_NUM_THREADS": str(threads)} if device == "CPU" else {}),
        **options,
    }
    start = time.perf_counter_ns()
    try:
        network = _read(ov, core, model)
        shape, dtype = _input(network)
        check_input(shape, dtype)
        if shape[0] is None:
            network.reshape([batch_of(spec), *(-1 if side is None else side for side in shape[1:])])
        compiled = core.compile_model(network, device, properties)
    except RuntimeError as error:
        raise ModelError(f"OpenVINO does not load the model: {_cause(error)}") from error
    load_ns = time.perf_counter_ns() - start
    shape = tuple(side.get_length() if side.is_static else None for side in compiled.input().partial_shape)
    placement, precision = _placement(compiled, spec.precision)
    report = LoadReport(
        provider=spec.provider,
        engine="openvino",
        engine_version=ov.__version__.partition("-")[0],
        precision=precision,
        threads=threads,
        placement=placement,
        load_ns=load_ns,
        input_shape=shape,
        input_dtype=dtype,
        settings=properties,
    )
    return EngineSession(report, _inference(ov, compiled, shape), shape[0], lambda: _inference(ov, compiled, shape))


def _inference(ov: ModuleType, compiled: Any, shape: tuple[int | None, ...]) -> Callable[[Pixels], Logits]:
    """Return what runs one batch, by a request of its own.

    Where the input's shape is known its memory is bound once: handing an array over costs 0.07 ms a run, a tenth of a
    small network's latency.
    """
    request = compiled.create_infer_request()
    if None in shape:

        def dynamic(pixels: Pixels) -> Logits:
            # What comes out lies in the request's memory, which the next run overwrites.
            return np.array(request.infer([pixels], share_inputs=True, share_outputs=True)[0], np.float32)

        return dynamic
    image = ov.Tensor(np.zeros(tuple(map(int, shape)), np.uint8))  # type: ignore[arg-type]
    request.set_input_tensor(image)
    source, result = image.data, request.get_output_tensor(0).data

    def bound(pixels: Pixels) -> Logits:
        np.copyto(source, pixels)
        request.infer()
        return np.array(result, np.float32)

    return bound


def import_openvino() -> ModuleType:
    """Return the module; raises ProviderUnavailable where it is not installed."""
    # Otherwise it reports each import to an analytics service; the name that cannot be imported gets a stub instead.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise ProviderUnavailable(f"OpenVINO cannot be imported ({sentence(error)}). {REMEDY}") from error
    module: ModuleType = openvino
    return module


def _read(ov: ModuleType, core: Any, model: Path) -> Any:
    """Return the network in an ONNX file or in a zip with OpenVINO's IR; raises ModelError for another zip."""
    if model.suffix != _IR_SUFFIX:
        return core.read_model(model)
    try:
        with zipfile.ZipFile(model) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
            if sorted(names) != sorted(_IR) or not stored:
                raise ModelError(f"A zip with OpenVINO's IR holds {' and '.join(_IR)}, stored; not {', '.join(names)}.")
            xml, weights = (archive.read(name) for name in _IR)
    except zipfile.BadZipFile as error:
        raise ModelError(f"The zip with OpenVINO's IR is damaged: {sentence(error)}") from error
    # A tensor of its own, which the network holds as long as it lives.
    return core.read_model(model=xml, weights=ov.Tensor(np.frombuffer(weights, np.uint8)))


def _input(network: Any) -> tuple[tuple[int | None, ...], str]:
    if len(network.inputs) != 1:
        raise ModelError(f"The model has {len(network.inputs)} inputs; an image classifier has one.")
    entry = network.input()
    if entry.partial_shape.rank.is_dynamic:
        raise ModelError("The model's input has no fixed number of dimensions.")
    shape = tuple(side.get_length() if side.is_static else None for side in entry.partial_shape)
    return shape, entry.element_type.to_dtype().name


def _placement(compiled: Any, asked: str) -> tuple[dict[str, int], str]:
    """Return the number of nodes that run on each device, and the precision that the heavy ones compute in."""
    devices = "+".join(compiled.get_property("EXECUTION_DEVICES"))
    nodes: Counter[str] = Counter()
    heavy: Counter[str] = Counter()
    for node in compiled.get_runtime_model().get_ops():
        info = {key: str(value.value) for key, value in node.get_rt_info().items()}
        kind = info.get("layerType", "")
        if kind in _NOT_RUN:
            continue
        nodes[info.get("executionDevice", devices)] += 1
        if kind.startswith(_HEAVY):
            found = info.get("runtimePrecision", "").lower()
            heavy[_PRECISIONS.get(found, found)] += 1
    # A CPU without bf16 takes the hint and computes in f32.
    mixed = asked == "int8+bf16" and compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "bf16"
    return dict(nodes), _precision(heavy, "bf16" if mixed else "fp32")


def _precision(heavy: Mapping[str, int], rest: str) -> str:
    """Return what a model computes in, given the precisions of its heavy layers and that of its other float layers.

    Of a float model that is the precision of most; int8 anywhere makes it int8, with bf16 where that is left.
    """
    if "int8" not in heavy:
        return max(heavy, key=lambda name: heavy[name], default="fp32")
    left = set(heavy) - {"int8"} or {rest}
    return "int8+bf16" if "bf16" in left else "int8"


def _cause(error: RuntimeError) -> str:
    """Return the message without the lines that say where in OpenVINO's source it was raised."""
    lines = [line.strip() for line in str(error).splitlines()]
    return sentence(RuntimeError(" ".join(line for line in lines if line and not line.startswith("Exception from"))))
