"""A connection that breaks: a forwarder that hangs up after so many bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence


@contextlib.contextmanager
def breaking(port: int, budgets: Sequence[int | None]) -> Iterator[int]:
    """Yield a port that leads to ``port``; the n-th connection is cut after ``budgets[n]`` bytes (None: never)."""
    listener = socket.create_server(("127.0.0.1", 0))
    left = list(budgets)

    def serve() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", port))
            budget = left.pop(0) if left else None
            threading.Thread(target=_copy, args=(near, far, budget), daemon=True).start()
            threading.Thread(target=_copy, args=(far, near, None), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def _copy(source: socket.socket, sink: socket.socket, budget: int | None) -> None:
    passed = 0
    with contextlib.suppress(OSError):
        while (budget is None or passed < budget) and (data := source.recv(65536)):
            sink.sendall(data)
            passed += len(data)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
            each.close()
