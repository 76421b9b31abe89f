"""One file that holds others: a zip of one exact form, so that nothing can hide in it.

Names and contents decide every byte: a shebang, so that it starts as a program; members in the order of their names,
stored and not compressed (what deflate makes differs between versions of zlib), without times, owners, comments or
extra fields. Whoever opens one need not defend against all that a zip can say (links, devices, members of one name,
members that overlap or unpack to terabytes): a file that is not byte for byte of the one form is refused.

Layout of a zip: PKWARE's APPNOTE 6.3.3, sections 4.3.7 (local header), 4.3.12 (central directory) and 4.3.16 (its end).
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

PREFIX = b"#!/usr/bin/env python3\n"
MAX_MEMBERS = 4096
# Lengths and places are 32-bit numbers.
MAX_BYTES = 2**32 - 1
CHUNK = 1 << 20

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION, _UNIX = 20, 3 << 8
# The first day that a zip can name.
_DATE = (1 << 5) | 1
_MODE = 0o100644 << 16
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
_MAX_NAME = 200

Content = bytes | Path


class BundleError(ValueError):
    """A file is no bundle, or not one to trust; the message is one sentence, without the file's name."""


@dataclass(frozen=True)
class Member:
    """A file inside: ``size`` in bytes, ``crc`` its CRC-32, ``start`` where its header is."""

    name: str
    size: int
    crc: int
    start: int

    @property
    def content_start(self) -> int:
        """Where its content begins."""
        return self.start + _LOCAL.size + len(self.name)


def write(sink: BinaryIO, contents: Mapping[str, Content]) -> None:
    """Write the one archive that holds ``contents``, by name; a path stands for the content of that file.

    Raises ValueError for names and sizes that an archive cannot have.
    """
    members = tuple(_placed((name, *_measured(contents[name])) for name in sorted(contents)))
    require_form(members)
    sink.write(PREFIX)
    for member in members:
        sink.write(_local(member))
        for chunk in _chunks(contents[member.name]):
            sink.write(chunk)
    sink.write(_directory(members))


class Archive:
    """An archive that was found to be of the one form, open for reading; a context manager."""

    def __init__(self, path: Path) -> None:
        """Open the file; raises BundleError when it is not of the form, OSError when it cannot be read."""
        # Opening a pipe would wait for a writer for ever.
        if not path.is_file():
            raise BundleError("is not a file" if path.exists() else "does not exist")
        self._file = path.open("rb")
        try:
            self.members = {member.name: member for member in _read(self._file)}
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read(self, name: str) -> bytes:
        """Return the content of a member; raises BundleError when there is none of that name."""
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the content of a member in parts of at most `CHUNK` bytes."""
        if name not in self.members:
            raise BundleError(f"has no {name}")
        member = self.members[name]
        for offset in range(0, member.size, CHUNK):
            self._file.seek(member.content_start + offset)
            yield _exactly(self._file, min(CHUNK, member.size - offset))


def require_form(members: Iterable[Member]) -> None:
    """Raise BundleError for names and sizes that an archive cannot have.

    Names are relative, of plain characters, and different also where capitals do not count; none is the folder of
    another, and no part of one is hidden or leads upwards.
    """
    taken: set[str] = set()
    count, end = 0, len(PREFIX)
    for member in members:
        count += 1
        if not _NAME.fullmatch(member.name) or len(member.name) > _MAX_NAME:
            raise BundleError(f"has a member whose name is not allowed ({member.name[:80]!r})")
        taken.add(member.name.lower())
        end = member.content_start + member.size
    if len(taken) < count:
        raise BundleError("has two members of one name")
    if any(folder in taken for name in taken for folder in _folders(name)):
        raise BundleError("has a member that is also a folder")
    if not 1 <= count <= MAX_MEMBERS or end > MAX_BYTES:
        raise BundleError(f"has {count} members that end at byte {end}, which is none or too much")


def _folders(name: str) -> list[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[: index + 1]) for index in range(len(parts))]


def _placed(measured: Iterable[tuple[str, int, int]]) -> Iterator[Member]:
    start = len(PREFIX)
    for name, size, crc in measured:
        member = Member(name, size, crc, start)
        yield member
        start = member.content_start + size


def _read(file: BinaryIO) -> tuple[Member, ...]:
    """Return the members of an archive; raises BundleError unless it is of the form."""
    length = file.seek(0, os.SEEK_END)
    if length < len(PREFIX) + _END.size or _at(file, 0, len(PREFIX)) != PREFIX:
        raise BundleError("is not an edgetl bundle")
    mark, *_, count, size, start, _ = _END.unpack(_at(file, length - _END.size, _END.size))
    limit = MAX_MEMBERS * (_CENTRAL.size + _MAX_NAME)
    if mark != b"PK\5\6" or start + size + _END.size != length or size > limit:
        raise BundleError("is cut off, or something follows its end")
    directory = _at(file, start, size + _END.size)
    members = tuple(_placed(_listed(directory, count)))
    require_form(members)
    ends = members[-1].content_start + members[-1].size
    if ends != start or _directory(members) != directory or any(_at_member(file, each) for each in members):
        raise BundleError("was packed by another program, or changed: it is not byte for byte as edgetl writes it")
    return members


def _at_member(file: BinaryIO, member: Member) -> bool:
    """Return whether something else than its header stands where ``member`` starts."""
    header = _local(member)
    return _at(file, member.start, len(header)) != header


def _listed(directory: bytes, count: int) -> Iterator[tuple[str, int, int]]:
    """Yield name, size and CRC as a central directory lists them."""
    at = 0
    for _ in range(count):
        if at + _CENTRAL.size > len(directory):
            raise BundleError("has a damaged list of its members")
        fields = _CENTRAL.unpack_from(directory, at)
        crc, size, length = fields[7], fields[9], fields[10]
        at += _CENTRAL.size
        yield directory[at : at + length].decode("ascii", "replace"), size, crc
        at += length


def _measured(content: Content) -> tuple[int, int]:
    size = crc = 0
    for chunk in _chunks(content):
        size, crc = size + len(chunk), zlib.crc32(chunk, crc)
    return size, crc


def _chunks(content: Content) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _local(member: Member) -> bytes:
    name = member.name.encode()
    fixed = (_VERSION, 0, 0, 0, _DATE)
    return _LOCAL.pack(b"PK\3\4", *fixed, member.crc, member.size, member.size, len(name), 0) + name


def _directory(members: tuple[Member, ...]) -> bytes:
    """Return the central directory and its end."""
    entries = b"".join(map(_entry, members))
    start = members[-1].content_start + members[-1].size
    return entries + _END.pack(b"PK\5\6", 0, 0, len(members), len(members), len(entries), start, 0)


def _entry(member: Member) -> bytes:
    name = member.name.encode()
    fixed = (_UNIX | _VERSION, _VERSION, 0, 0, 0, _DATE)
    sizes = (member.crc, member.size, member.size)
    return _CENTRAL.pack(b"PK\1\2", *fixed, *sizes, len(name), 0, 0, 0, 0, _MODE, member.start) + name


def _at(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return _exactly(file, length)


def _exactly(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise BundleError("is cut off")
    return data
