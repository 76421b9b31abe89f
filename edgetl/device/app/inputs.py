"""Which images the user means: files, folders, and what comes on standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

STDIN = "-"
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".jp2"}
# What the formats that the runner reads begin with; a list of paths begins with none of these.
_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"BM", b"GIF8", b"II*\0", b"MM\0*", b"P5", b"P6", b"\0\0\0\x0cjP")

Source = Path | bytes


def images(named: Sequence[str], stdin: BinaryIO | None = None) -> Iterator[tuple[str, Source]]:
    """Yield the name and the source of each image: a path, or encoded bytes.

    A folder stands for the images below it, by name; ``-`` for standard input, which is either one image or a list of
    paths, one a line, each yielded as soon as it comes.
    """
    for name in named:
        if name == STDIN:
            yield from _standard_input(stdin or sys.stdin.buffer)
        elif Path(name).is_dir():
            found = sorted(path for path in Path(name).rglob("*") if path.suffix.lower() in SUFFIXES)
            yield from ((str(path), path) for path in found)
        else:
            yield name, Path(name)


def _standard_input(stdin: BinaryIO) -> Iterator[tuple[str, Source]]:
    first = stdin.readline()
    if first.startswith(_STARTS):
        yield STDIN, first + stdin.read()
        return
    while first:
        path = first.decode(errors="surrogateescape").rstrip("\r\n")
        if path:
            yield path, Path(path)
        first = stdin.readline()
