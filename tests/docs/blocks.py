"""What README and docs show: their fenced blocks, which of them are commands, and what edgetl is asked for in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import REPOSITORY

SHELLS = ("sh", "console")
_FENCE = re.compile(r"^\s*```(\w*)")
_EXCUSE = re.compile(r"^\s*<!-- not run in tests: (.+) -->$")
_INLINE = re.compile(r"`(edgetl [a-z][^`]*)`")
_NAMED = re.compile(r"# (\w+\.toml)$")
_ASSIGNED = re.compile(r"\w+=")
_ENDS = {"&&", "||", "|", ";", "&"}


@dataclass(frozen=True)
class Block:
    """A fenced block of ``page`` that begins at ``line``; ``excuse`` is why it cannot run in tests, None if it can."""

    page: Path
    line: int
    language: str
    text: str
    excuse: str | None

    @property
    def where(self) -> str:
        """Return where it is, as editors take it."""
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"

    @property
    def is_shell(self) -> bool:
        """Return whether a reader types it."""
        return self.language in SHELLS

    @property
    def runs(self) -> bool:
        """Return whether it can run in tests."""
        return self.is_shell and self.excuse is None

    @property
    def script(self) -> str:
        """Return the commands: in a console those after its prompt."""
        if self.language == "sh":
            return self.text
        lines = (line for line in self.text.splitlines() if line.startswith("$ "))
        return "".join(f"{line.removeprefix('$ ')}\n" for line in lines)

    @property
    def file(self) -> str | None:
        """Return the name of the file that it shows: what its first line says, as in ``# fleet.toml``."""
        named = _NAMED.match(self.text.partition("\n")[0])
        return named[1] if named and self.language == "toml" else None


def pages() -> list[Path]:
    """Return README and all pages."""
    return [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in order."""
    opened: tuple[int, str, str | None, list[str]] | None = None
    excuse = None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if opened is not None:
            start, language, why, lines = opened
            if not fence:
                lines.append(line)
                continue
            indent = len(line) - len(line.lstrip())
            yield Block(page, start, language, "".join(f"{each[indent:]}\n" for each in lines), why)
            opened = excuse = None
        elif fence:
            opened = (number, fence[1], excuse, [])
        elif line.strip():
            said = _EXCUSE.match(line)
            excuse = said[1] if said else None


def inline(page: Path) -> Iterator[str]:
    """Yield the commands that a page's text names, such as ``edgetl export --calibrated``."""
    text = re.sub(r"^\s*```.*?^\s*```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    yield from (" ".join(found.split()) for found in _INLINE.findall(text))


def asked(script: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of edgetl in a script, also of one that ``python -m`` or torchrun makes."""
    for words in _simple(script):
        while words and _ASSIGNED.match(words[0]):
            words = words[1:]
        if words[:1] == ["edgetl"]:
            yield words[1:]
        elif "-m" in words and words[words.index("-m") + 1 :][:1] == ["edgetl"]:
            yield words[words.index("-m") + 2 :]


def _simple(script: str) -> Iterator[list[str]]:
    """Yield the words of each simple command, without its redirections."""
    for line in script.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
        lexer.whitespace_split = True
        yield from _split(list(lexer))


def _split(tokens: Sequence[str]) -> Iterator[list[str]]:
    words: list[str] = []
    skip = False
    for token in (*tokens, ";"):
        if token in _ENDS:
            if words:
                yield words
            words = []
        elif set(token) <= {"<", ">"}:
            skip = True
        elif skip:
            skip = False
        else:
            words.append(token)
