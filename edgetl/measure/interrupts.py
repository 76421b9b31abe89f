"""Having Ctrl-C wait for the end of what must not be cut in two, such as starting a process and knowing which it is."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def interrupts_wait() -> Iterator[None]:
    """Let signals that raise an exception do so after the block, not inside it; in other threads there are none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def arrive(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)

    # Those that the system handles stay: they end the program or do nothing.
    handlers = {number: handler for number in signal.valid_signals() if callable(handler := signal.getsignal(number))}
    for number in handlers:
        signal.signal(number, arrive)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for each in arrived:
        signal.raise_signal(each)
