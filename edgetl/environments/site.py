"""Where an environment is made, and by what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgetl.progress import Progress

STEP = "create environment"


@dataclass(frozen=True)
class Site:
    """A place that is moved to where the environment belongs once it is whole.

    ``python`` is the interpreter to make it with. ``run`` returns the lines that a program says and raises EdgetlError
    with its last words; its second argument says what it is for.
    """

    folder: Path
    python: str
    run: Callable[[Sequence[str], str], list[str]]
    progress: Progress

    def step(self, done: int, total: int) -> None:
        """Tell how far it is."""
        self.progress.step(STEP, done, total)
