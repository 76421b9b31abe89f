"""How a command ends when it is asked to: Ctrl-C, or a signal of the system, with the clean-up of any other error.

Without this SIGTERM and SIGHUP would end Python where it stands, and leave half-written files beside the artifacts.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

# The exit code that shells expect of a program that a signal ended.
SIGNALLED = 128
# A closed terminal, and what `kill`, containers and job schedulers send.
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@dataclass
class Ending:
    """The signal that asked the command to end; that of Ctrl-C until the system sent another one."""

    number: int = signal.SIGINT

    @property
    def exit_code(self) -> int:
        """The exit code of the interrupted command: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
        return SIGNALLED + self.number


@contextlib.contextmanager
def endable() -> Iterator[Ending]:
    """Raise KeyboardInterrupt inside the block where such a signal arrives; one that is ignored (nohup) stays ignored.

    To a stage it is Ctrl-C, which may save its best so far and raise another one; `Ending` still knows the signal.
    """
    ending = Ending()

    def end(number: int, _frame: FrameType | None) -> None:
        ending.number = number
        raise KeyboardInterrupt

    taken = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, end)
    try:
        yield ending
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
