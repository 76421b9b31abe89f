"""Which libraries a library asks for, read from its file: loading it only to see what is missing may crash."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_MAGIC_64_LITTLE = b"\x7fELF\x02\x01"
_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRINGS = 1, 5


def needed(path: Path) -> tuple[str, ...]:
    """Return the names of the libraries that a 64-bit little-endian ELF file asks for; empty for any other file."""
    with path.open("rb") as file:
        if file.read(6) != _MAGIC_64_LITTLE:
            return ()
        segments = _segments(file)
        entries = [entry for kind, *place in segments if kind == _DYNAMIC for entry in _entries(file, *place)]
        strings = next((value for tag, value in entries if tag == _STRINGS), None)
        if strings is None:
            return ()
        base = _offset(segments, strings)
        return tuple(_string(file, base + value) for tag, value in entries if tag == _NEEDED)


def _segments(file: BinaryIO) -> list[tuple[int, int, int, int]]:
    """Return each segment's kind, offset in the file, address, and size in the file."""
    file.seek(32)
    (table,) = struct.unpack("<Q", file.read(8))
    file.seek(54)
    size, count = struct.unpack("<HH", file.read(4))
    found = []
    for index in range(count):
        file.seek(table + index * size)
        kind, _flags, offset, address, _physical, length = struct.unpack("<IIQQQQ", file.read(40))
        found.append((kind, offset, address, length))
    return found


def _entries(file: BinaryIO, offset: int, _address: int, length: int) -> list[tuple[int, int]]:
    file.seek(offset)
    data = file.read(length)
    return [(tag, value) for tag, value in struct.iter_unpack("<qQ", data[: len(data) // 16 * 16])]


def _offset(segments: list[tuple[int, int, int, int]], address: int) -> int:
    for kind, offset, start, length in segments:
        if kind == _LOAD and start <= address < start + length:
            return address - start + offset
    return address


def _string(file: BinaryIO, offset: int) -> str:
    file.seek(offset)
    return file.read(256).split(b"\0", 1)[0].decode("utf-8", "replace")
