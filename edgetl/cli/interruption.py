"""How a command ends when it is asked to: Ctrl-C, or a signal of the system, with the clean-up of any other error.

Without this SIGTERM and SIGHUP would end Python where it stands, and leave half-written files beside the artifacts.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

# The exit code that shells expect of a program that a signal ended.
SIGNALLED = 128
# A closed terminal, and what `kill`, containers and job schedulers send.
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Ended(KeyboardInterrupt):
    """The system asked the program to end; like Ctrl-C, no stage takes it for an error of its own."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextlib.contextmanager
def endable() -> Iterator[None]:
    """Raise `Ended` inside the block where such a signal arrives; one that is ignored (nohup) stays ignored."""
    taken = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def exit_code(error: BaseException) -> int:
    """Return the exit code of an interrupted command: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
    return SIGNALLED + (error.number if isinstance(error, Ended) else signal.SIGINT)


def _end(number: int, _frame: FrameType | None) -> None:
    raise Ended(number)
