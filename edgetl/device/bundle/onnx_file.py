"""Looking into an ONNX file without onnx: does a tensor of it lie in another file?

An ONNX tensor may name a path that its numbers are read from. In a bundle none does, since what it names is nothing
that the bundle vouches for. The file is a protocol buffer; only the messages on the way to tensors are walked. Field
numbers are those of onnx.proto3; the encoding is that of protobuf's documentation ("Encoding", tag-length-value).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgetl.device.bundle.archive import BundleError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
# Subgraphs lie in attributes of nodes; real ones are a few deep.
_MAX_DEPTH = 32

# For each message the fields that lead to a tensor, and what they hold.
_LEADS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


def require_self_contained(model: memoryview) -> None:
    """Raise BundleError when a tensor of the ONNX file lies elsewhere, or the bytes are no protocol buffer."""
    _walk(model, "model", 0)


def _walk(message: memoryview, kind: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise BundleError("has an ONNX model whose subgraphs are nested too deep")
    leads = _LEADS.get(kind, {})
    for field, value in _fields(message):
        if kind == "tensor" and (field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value)):
            raise BundleError("has an ONNX model that reads from another file")
        if field in leads:
            if not isinstance(value, memoryview):
                raise BundleError("has an ONNX model that is damaged")
            _walk(value, leads[field], depth + 1)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number of each field with its value: a number, or the bytes of what has a length."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        field, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield field, value
            continue
        length = _FIXED.get(wire, 0)
        if wire == _BYTES:
            length, at = _varint(message, at)
        elif not length:
            raise BundleError("has an ONNX model that is damaged")
        if at + length > len(message):
            raise BundleError("has an ONNX model that is damaged")
        yield field, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return a number and where the next byte is."""
    number = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
    raise BundleError("has an ONNX model that is damaged")
