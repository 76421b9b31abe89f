"""How a stage tells that it advances: a callback, so that stages know nothing of terminals."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of named steps, and plain remarks. The command line draws them; tests record them."""

    def step(self, name: str, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` units of step ``name`` are finished; called again as it advances."""

    def remark(self, text: str) -> None:
        """Say one sentence that the user should see (a skipped image, a fallback)."""


class Silent:
    """Progress that nobody watches."""

    def step(self, name: str, done: int, total: int) -> None:
        """Ignore."""

    def remark(self, text: str) -> None:
        """Ignore."""


class Once:
    """Progress that remarks what several stages have to say only once."""

    def __init__(self, inner: Progress) -> None:
        self._inner, self._said = inner, set[str]()

    def step(self, name: str, done: int, total: int) -> None:
        """Pass it on."""
        self._inner.step(name, done, total)

    def remark(self, text: str) -> None:
        """Pass on what is new."""
        if text not in self._said:
            self._said.add(text)
            self._inner.remark(text)
