"""Messages over a pair of byte streams: one line of JSON, then the raw bytes it announces.

::

    {"op": "logits", "arrays": [{"shape": [1, 224, 224, 3], "dtype": "uint8"}], "payload": [150528]}\\n<150528 bytes>
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MAX_HEADER_BYTES = 1 << 20
MAX_PAYLOAD_BYTES = 1 << 31
DTYPES = ("uint8", "float32", "int64")
_CHUNK = 1 << 20


class WireError(ValueError):
    """What came is not a message; the stream can be read on at the next line."""


@dataclass(frozen=True)
class Message:
    """A JSON object and byte strings that belong to it; ``payload`` is no part of the object's keys here."""

    header: Mapping[str, Any]
    payload: tuple[bytes, ...] = ()


def write_message(stream: BinaryIO, message: Message) -> None:
    """Write one message and flush; raises OSError when nobody reads any more."""
    header = {**message.header, "payload": [len(part) for part in message.payload]}
    stream.write(json.dumps(header, separators=(",", ":")).encode() + b"\n")
    for part in message.payload:
        stream.write(part)
    stream.flush()


def read_message(stream: BinaryIO) -> Message | None:
    """Return the next message, or None when the stream has ended (also in the middle of a message)."""
    line = stream.readline(MAX_HEADER_BYTES)
    if len(line) == MAX_HEADER_BYTES and not line.endswith(b"\n"):
        while line and not line.endswith(b"\n"):
            line = stream.readline(_CHUNK)
        raise WireError(f"The header is longer than {MAX_HEADER_BYTES} bytes.")
    if not line.endswith(b"\n"):
        return None
    header = _header(line)
    sizes = _sizes(header.pop("payload", []))
    payload = []
    for size in sizes:
        part = _exactly(stream, size)
        if part is None:
            return None
        payload.append(part)
    return Message(header, tuple(payload))


def with_arrays(header: Mapping[str, Any], *arrays: NDArray[Any]) -> Message:
    """Return a message that carries ``arrays`` (uint8, float32 or int64) as its payload."""
    described = [{"shape": list(array.shape), "dtype": array.dtype.name} for array in arrays]
    return Message({**header, "arrays": described}, tuple(array.tobytes() for array in arrays))


def arrays_of(message: Message) -> tuple[NDArray[Any], ...]:
    """Return the arrays that a message carries, read-only; raises WireError where bytes and description differ."""
    described = message.header.get("arrays", [])
    if not isinstance(described, list) or len(described) != len(message.payload):
        raise WireError("'arrays' must describe each part of the payload.")
    return tuple(_array(entry, data) for entry, data in zip(described, message.payload, strict=True))


def _array(entry: Any, data: bytes) -> NDArray[Any]:
    shape = entry.get("shape") if isinstance(entry, dict) else None
    if not isinstance(shape, list) or len(shape) > 8 or not all(_is_count(side) for side in shape):
        raise WireError("An array needs a 'shape' of at most 8 whole numbers.")
    if entry.get("dtype") not in DTYPES:
        raise WireError(f"An array's 'dtype' is one of {', '.join(DTYPES)}.")
    dtype = np.dtype(entry["dtype"])
    if math.prod(shape) * dtype.itemsize != len(data):
        raise WireError(f"An array of shape {shape} and type {dtype.name} does not have {len(data)} bytes.")
    return np.frombuffer(data, dtype).reshape(shape)


def _header(line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        raise WireError("The header is not a line of JSON.") from None
    if not isinstance(header, dict):
        raise WireError("The header is not a JSON object.")
    return header


def _sizes(sizes: Any) -> Sequence[int]:
    if not isinstance(sizes, list) or not all(_is_count(size) for size in sizes):
        raise WireError("'payload' must be a list of sizes in bytes.")
    if sum(sizes) > MAX_PAYLOAD_BYTES:
        raise WireError(f"The payload is larger than {MAX_PAYLOAD_BYTES} bytes.")
    return sizes


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _exactly(stream: BinaryIO, size: int) -> bytes | None:
    """Return ``size`` bytes; memory grows with what really comes, not with what a header promises."""
    data = bytearray()
    while len(data) < size:
        chunk = stream.read(min(_CHUNK, size - len(data)))
        if not chunk:
            return None
        data += chunk
    return bytes(data)
