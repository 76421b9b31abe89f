"""What the execution providers of ONNX Runtime share."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edgetl.device.providers._binding import RESIDENT, Bound, kind_of
from edgetl.device.providers.base import (
    EngineSession,
    Logits,
    ModelError,
    Pixels,
    ProviderUnavailable,
    batch_of,
    check_input,
    engine_options,
    sentence,
    streams_of,
)
from edgetl.device.values import LoadReport, SessionSpec

# What exporters call the batch dimension; ONNX Runtime fixes a size by this name. Others stay dynamic.
BATCH_NAMES = ("batch", "batch_size", "N")

_QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "QLinear", "ConvInteger", "MatMulInteger", "QGemm", "QAttention")
# What is in the names of operators that multiply and accumulate.
_MULTIPLYING = ("Conv", "Gemm", "MatMul", "Attention")
_ERRORS_ONLY = 3
# How long a thread of the pool spins for more work before it sleeps: beyond any gap within a run. By default it would
# spin some 50 ms after each run, and hold a core that the next camera image, or the next variant to be timed, needs.
SPIN_US = 1000


@dataclass(frozen=True)
class Ep:
    """An execution provider: its name at ONNX Runtime, the options it gets, and what to install to have it.

    ``alone`` forbids nodes on any other, else only what multiplies and accumulates must be on this one; ``precisions``
    are those that it computes in when a file holds them or they are asked for, beside fp32 and a graph's int8.
    ``device`` is where option ``binding`` keeps a session's buffers, as ONNX Runtime calls it; ``meaning`` says in
    sentences what an error of the engine tells of the machine, or None.
    """

    name: str
    remedy: str
    options: Mapping[str, str]
    alone: bool = False
    precisions: tuple[str, ...] = ()
    device: str = "cpu"
    meaning: Callable[[str], object | None] = lambda _: None


@dataclass(frozen=True)
class _Found:
    """What a session turned out to be, as its report says it."""

    placement: Mapping[str, int]
    elsewhere: Mapping[str, tuple[str, ...]]
    precision: str


def import_onnxruntime(remedy: str) -> ModuleType:
    """Return the module; raises ProviderUnavailable when it is missing or broken."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ProviderUnavailable(f"ONNX Runtime cannot be imported ({sentence(error)}). {remedy}") from error
    if not hasattr(onnxruntime, "InferenceSession"):
        raise ProviderUnavailable(
            "The installed onnxruntime is broken, as when one of its wheels was removed after another was installed. "
            f"Uninstall every onnxruntime package, then: {remedy}"
        )
    module: ModuleType = onnxruntime
    return module


def load(model: Path, spec: SessionSpec, threads: int, ep: Ep) -> EngineSession:
    """Return a session on ``ep``.

    Options with a dot (``session.intra_op.allow_spinning``) go to the session's configuration, ``binding`` to
    `_binding.Bound`, others to the provider. Raises ProviderUnavailable and ModelError.
    """
    ort = import_onnxruntime(ep.remedy)
    if ep.name not in ort.get_available_providers():
        has = ", ".join(ort.get_available_providers())
        raise ProviderUnavailable(
            f"This onnxruntime {ort.__version__} was built without {ep.name} (it has {has}). {ep.remedy}"
        )
    extra = dict(engine_options(spec))
    binding = kind_of(extra.pop("binding")) if "binding" in extra else None
    # The session's pool has a thread fewer than this, since those that call it compute too: so all together are
    # ``threads``, and never fewer than there are streams.
    options = _session_options(ort, max(1, threads - streams_of(spec) + 1), batch_of(spec), ep)
    for name in [name for name in extra if "." in name]:
        options.add_session_config_entry(name, extra[name])
    provider_options = {**ep.options, **{name: value for name, value in extra.items() if "." not in name}}
    session, load_ns = _session(ort, model, options, provider_options, ep)
    placement, operators = _placement(session)
    _check_placement(session, placement, ep)
    elsewhere = _elsewhere(session, ep)
    _check_elsewhere(elsewhere, ep)
    found = _Found(placement, elsewhere, _precision(spec, operators, ep))
    plain = _engine_session(ort, session, spec, threads, found, load_ns)
    if binding is None:
        return dataclasses.replace(plain, infer=_explained(plain.infer, ep))

    def bound() -> Callable[[Pixels], Logits]:
        return _explained(Bound(ort, session, ep.device, resident=binding == RESIDENT), ep)

    return dataclasses.replace(plain, infer=bound(), another=bound)


def _explained(infer: Callable[[Pixels], Logits], ep: Ep) -> Callable[[Pixels], Logits]:
    """Return ``infer`` with errors that tell of the machine as ProviderUnavailable: some libraries are opened late."""

    def run(pixels: Pixels) -> Logits:
        try:
            return infer(pixels)
        except Exception as error:
            known = ep.meaning(str(error))
            if known is None:
                raise
            raise ProviderUnavailable(f"{ep.name} does not run here. {known}") from error

    return run


def _session_options(ort: ModuleType, threads: int, batch: int, ep: Ep) -> Any:
    options = ort.SessionOptions()
    # Its own default is a thread for each core of the host, whatever the cgroup allows (onnxruntime#29510).
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.spin_duration_us", str(SPIN_US))
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if ep.alone:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    for name in BATCH_NAMES:
        options.add_free_dimension_override_by_name(name, batch)
    return options


def _session(
    ort: ModuleType, model: Path, options: Any, provider_options: Mapping[str, str], ep: Ep
) -> tuple[Any, int]:
    start = time.perf_counter_ns()
    try:
        # enable_fallback: the Python wrapper would otherwise try again on the CPU, and only print that it did.
        session = ort.InferenceSession(
            str(model), options, providers=[(ep.name, dict(provider_options))], enable_fallback=0
        )
    except Exception as error:
        raise _diagnosis(ort, model, provider_options, ep, error) from error
    return session, time.perf_counter_ns() - start


def _diagnosis(
    ort: ModuleType, model: Path, provider_options: Mapping[str, str], ep: Ep, error: Exception
) -> ModelError | ProviderUnavailable:
    """Return what to raise for a session that did not come: one of the model, or of a provider that does not start.

    A provider whose libraries are missing is left out by ONNX Runtime with a line in its log, and what it then
    complains of is the model. So the model is tried again with fallback allowed, only to look at what runs it.
    """
    known = ep.meaning(str(error))
    if known is not None:
        return ProviderUnavailable(f"{ep.name} does not start here. {known}")
    refused = ModelError(f"{ep.name} does not load the model: {sentence(error)}")
    if not ep.alone:
        return refused
    options = ort.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    try:
        session = ort.InferenceSession(
            str(model), options, providers=[(ep.name, dict(provider_options))], enable_fallback=0
        )
        _check_placement(session, _placement(session)[0], ep)
    except (ModelError, ProviderUnavailable) as told:
        return told
    except Exception:  # noqa: BLE001 - whatever it is, the question is only whether the model is to blame
        if _loads_on_cpu(ort, model):
            return ProviderUnavailable(f"{ep.name} does not start here: {sentence(error)} {ep.remedy}")
    return refused


def _loads_on_cpu(ort: ModuleType, model: Path) -> bool:
    try:
        ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    except Exception:  # noqa: BLE001 - a yes or no
        return False
    return True


def _placement(session: Any) -> tuple[dict[str, int], frozenset[str]]:
    """Return the number of nodes per execution provider, and the operators; empty before ONNX Runtime could tell."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return {}, frozenset()
    nodes = list(_assigned(session))
    return dict(Counter(provider for provider, *_ in nodes)), frozenset(operator for _, operator, _ in nodes)


def _elsewhere(session: Any, ep: Ep) -> dict[str, tuple[str, ...]]:
    """Return the names of the nodes that multiply and accumulate, by the other execution providers that run them."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return {}
    names: dict[str, list[str]] = {}
    for provider, operator, name in _assigned(session):
        if provider != ep.name:
            found = names.setdefault(provider, [])
            found += [name] if any(part in operator for part in _MULTIPLYING) else []
    return {provider: tuple(found) for provider, found in names.items()}


def _assigned(session: Any) -> Iterator[tuple[str, str, str]]:
    """Yield each node's execution provider, operator and name."""
    for part in session.get_provider_graph_assignment_info():
        for node in part.get_nodes():
            yield part.ep_name, node.op_type, node.name


def _check_placement(session: Any, placement: Mapping[str, int], ep: Ep) -> None:
    active = session.get_providers()
    if active[0] != ep.name or (placement and ep.name not in placement):
        raise ProviderUnavailable(
            f"{ep.name} was asked for, but the session runs on {', '.join(placement or active)}. {ep.remedy}"
        )
    elsewhere = {name: count for name, count in placement.items() if name != ep.name}
    if ep.alone and elsewhere:
        counts = ", ".join(f"{count} on {name}" for name, count in elsewhere.items())
        raise ModelError(f"{ep.name} does not run the whole model ({counts}); a silent fallback is never measured.")


def _check_elsewhere(elsewhere: Mapping[str, tuple[str, ...]], ep: Ep) -> None:
    """Raise ModelError where another execution provider multiplies and accumulates; reshaping and the like it may."""
    fallen = {provider: names for provider, names in elsewhere.items() if names}
    if fallen:
        named = ", ".join(f"{len(names)} on {name}, the first {names[0]}" for name, names in fallen.items())
        raise ModelError(
            f"{ep.name} does not run all convolutions and products of the model ({named}); a silent fallback is never "
            "measured."
        )


def _precision(spec: SessionSpec, operators: frozenset[str], ep: Ep) -> str:
    """Return what is computed in: int8 where the graph is quantized, else what is asked for and the provider can.

    Where ONNX Runtime (before 1.24) tells no operators, what the caller says of the file is all there is.
    """
    if any(operator.startswith(_QUANTIZED) for operator in operators):
        return "int8"
    if (spec.precision == "int8" and not operators) or spec.precision in ep.precisions:
        return spec.precision
    return "fp32"


def _engine_session(
    ort: ModuleType,
    session: Any,
    spec: SessionSpec,
    threads: int,
    found: _Found,
    load_ns: int,
) -> EngineSession:
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise ModelError(f"The model has {len(inputs)} inputs; an image classifier has one.")
    shape = tuple(side if isinstance(side, int) else None for side in inputs[0].shape)
    dtype = inputs[0].type.removeprefix("tensor(").removesuffix(")")
    check_input(shape, dtype)
    run, name, outputs = session.run, inputs[0].name, [session.get_outputs()[0].name]

    def infer(pixels: Pixels) -> Logits:
        return np.asarray(run(outputs, {name: pixels})[0], np.float32)

    report = LoadReport(
        provider=spec.provider,
        engine="onnxruntime",
        engine_version=ort.__version__,
        precision=found.precision,
        threads=threads,
        placement=found.placement,
        load_ns=load_ns,
        input_shape=shape,
        input_dtype=dtype,
        elsewhere=found.elsewhere,
        # As ONNX Runtime has them, defaults included.
        settings=dict(session.get_provider_options()[session.get_providers()[0]]),
    )
    return EngineSession(report, infer, shape[0])
