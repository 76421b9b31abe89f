"""What a host can ask of a runner: one function each, and the table of them."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgetl.device import machine, providers
from edgetl.device.condition import condition as now
from edgetl.device.cores import cores_allowed
from edgetl.device.energy import energy_of, meter_for
from edgetl.device.install import ops as install
from edgetl.device.providers.base import ModelError, Session
from edgetl.device.state import RequestError, State, whole
from edgetl.device.throughput import run_streams
from edgetl.device.timing import come_to_rest, time_end_to_end, time_inference
from edgetl.device.values import PROTOCOL, Hello, Preprocess, SessionSpec, to_json
from edgetl.device.wire import Message, arrays_of, with_arrays

MAX_COUNT = 10_000_000
MAX_STREAMS = 256


def hello(_state: State, _message: Message) -> Message:
    """Answer what this runner is: `Hello`."""
    value = Hello(PROTOCOL, platform.python_version(), machine.facts(), machine.engines(), cores_allowed())
    return Message(to_json(value))


def has(state: State, message: Message) -> Message:
    """Answer whether the blob ``sha256`` with ``suffix`` is here."""
    return Message({"has": state.store.has(*_blob(message))})


def put(state: State, message: Message) -> Message:
    """Keep the payload as the blob ``sha256`` with ``suffix``."""
    if len(message.payload) != 1:
        raise RequestError("'put' needs the blob as its one payload.")
    state.store.put(*_blob(message), message.payload[0])
    return Message({})


def load(state: State, message: Message) -> Message:
    """Make a session of a blob as ``spec`` says, in place of the one before; answer `LoadReport`."""
    sha256, suffix = _blob(message)
    if not state.store.has(sha256, suffix):
        raise RequestError(f"No blob {sha256[:12]}...{suffix} was put.")
    spec = _spec(message)
    unload(state, message)
    state.rss_before_load = machine.rss_bytes()
    state.session = providers.load(Path(state.store.path(sha256, suffix)), spec)
    return Message(to_json(state.session.report))


def unload(state: State, _message: Message) -> Message:
    """Drop the session and the images."""
    state.session = state.pixels = None
    return Message({})


def pixels(state: State, message: Message) -> Message:
    """Keep the array, uint8 (n, h, w, 3), as the batch that ``time``, ``energy`` and ``throughput`` run."""
    # A copy, since engines that share memory want it writable.
    state.pixels = np.array(_pixels(_session(state), message))
    return Message({})


def logits(state: State, message: Message) -> Message:
    """Answer float32 logits of shape (n, classes) for the array, uint8 (n, h, w, 3)."""
    session = _session(state)
    return with_arrays({}, session.run(np.array(_pixels(session, message))))


def time(state: State, message: Message) -> Message:
    """Answer the nanoseconds, int64 of shape (count,), of runs of the whole batch kept by ``pixels``."""
    session, batch = _session(state), _kept(state, message)
    times = time_inference(session, batch, _count(message))
    come_to_rest()
    return with_arrays({}, np.array(times, np.int64))


def energy(state: State, message: Message) -> Message:
    """Answer what ``count`` runs of the whole batch kept by ``pixels`` consume together: `Energy`."""
    session, batch, count = _session(state), _kept(state, message), _count(message)
    meter = meter_for(session.report.provider)
    return Message(to_json(energy_of(lambda: time_inference(session, batch, count), meter, session.clock)))


def throughput(state: State, message: Message) -> Message:
    """Answer ``images`` and ``ns``: of ``streams`` threads, each ``count`` times the batch kept by ``pixels``."""
    session, batch = _session(state), _kept(state, message)
    images, elapsed = run_streams(session, batch, whole(message, "streams", MAX_STREAMS), _count(message))
    return Message({"images": images, "ns": elapsed})


def end_to_end(state: State, message: Message) -> Message:
    """Answer the nanoseconds, int64 of shape (count,), from an encoded image of the payload to its class."""
    if not message.payload:
        raise RequestError("'end_to_end' needs encoded images as its payload.")
    times = time_end_to_end(_session(state), message.payload, _preprocess(message), _count(message))
    come_to_rest()
    return with_arrays({}, np.array(times, np.int64))


def memory(state: State, _message: Message) -> Message:
    """Answer the peak of this process's resident bytes, and what was resident before the model was loaded."""
    return Message({"peak_rss_bytes": machine.peak_rss_bytes(), "rss_before_load_bytes": state.rss_before_load})


def condition(_state: State, _message: Message) -> Message:
    """Answer what state this machine is in: `device.condition.condition`."""
    return Message(now())


def pin(_state: State, message: Message) -> Message:
    """Keep all threads of this process on ``cores``; answer whether this system can."""
    cores = message.header.get("cores")
    if not isinstance(cores, list) or not cores or not all(type(core) is int and core >= 0 for core in cores):
        raise RequestError("'pin' needs 'cores', a list of core numbers.")
    if not hasattr(os, "sched_setaffinity"):
        return Message({"pinned": False})
    try:
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)
    except OSError as error:
        allowed = sorted(os.sched_getaffinity(0))
        raise RequestError(f"Cannot pin to cores {cores}: {error.strerror}. Allowed are {allowed}.") from error
    return Message({"pinned": True})


def bye(_state: State, _message: Message) -> Message:
    """Answer, then the runner ends."""
    return Message({})


OPS: Mapping[str, Callable[[State, Message], Message]] = {
    "hello": hello,
    "has": has,
    "put": put,
    "load": load,
    "unload": unload,
    "pixels": pixels,
    "logits": logits,
    "time": time,
    "energy": energy,
    "throughput": throughput,
    "end_to_end": end_to_end,
    "memory": memory,
    "condition": condition,
    "pin": pin,
    "bye": bye,
    **install.OPS,
}


def _session(state: State) -> Session:
    if state.session is None:
        raise RequestError("No model is loaded.")
    return state.session


def _kept(state: State, message: Message) -> NDArray[np.uint8]:
    if state.pixels is None:
        raise RequestError(f"'{message.header['op']}' needs images: send 'pixels' first.")
    return state.pixels


def _pixels(session: Session, message: Message) -> NDArray[np.uint8]:
    arrays = arrays_of(message)
    if len(arrays) != 1 or arrays[0].dtype != np.uint8 or arrays[0].ndim != 4 or not arrays[0].size:
        raise RequestError("Images are one array, uint8 of shape (n, height, width, 3).")
    takes, given = session.report.input_shape[1:], arrays[0].shape[1:]
    if any(side is not None and side != actual for side, actual in zip(takes, given, strict=True)):
        wanted, got = (" x ".join(str(side) for side in shape) for shape in (takes, given))
        raise ModelError(f"The model takes images of {wanted}, not {got}.")
    return arrays[0]


def _blob(message: Message) -> tuple[str, str]:
    sha256, suffix = message.header.get("sha256"), message.header.get("suffix")
    if not isinstance(sha256, str) or not isinstance(suffix, str):
        raise RequestError("A blob is named by 'sha256' and 'suffix'.")
    return sha256, suffix


def _count(message: Message) -> int:
    return whole(message, "count", MAX_COUNT)


def _spec(message: Message) -> SessionSpec:
    try:
        return SessionSpec.from_json(message.header["spec"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RequestError("'spec' must be a SessionSpec: provider, precision, threads, options.") from None


def _preprocess(message: Message) -> Preprocess:
    try:
        return Preprocess.from_json(message.header["preprocess"])
    except (KeyError, TypeError, ValueError):
        raise RequestError("'preprocess' must be a Preprocess: resize, crop, interpolation, mean, std.") from None
