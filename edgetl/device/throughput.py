"""How much a session gets done when several threads keep it busy."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edgetl.device.providers.base import Logits, Pixels, Session


def run_streams(session: Session, pixels: Pixels, streams: int, count: int) -> tuple[int, int]:
    """Return the number of images run and the nanoseconds that it took, on the session's clock.

    ``streams`` threads each run the batch ``pixels``, uint8 of shape (n, h, w, 3), ``count`` times. They start
    together, and the time ends with the last of them. Raises what a run raises.
    """
    runners = [session.stream() for _ in range(streams)]
    for run in runners:
        # The first run of each makes what later ones find.
        run(pixels)
    starts: list[int] = []
    ends: list[int] = []
    errors: list[BaseException] = []
    barrier = threading.Barrier(streams, action=lambda: starts.append(session.clock()))

    def work(run: Callable[[Pixels], Logits]) -> None:
        try:
            barrier.wait()
            for _ in range(count):
                run(pixels)
            ends.append(session.clock())
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that asked
            errors.append(error)

    threads = [threading.Thread(target=work, args=(run,), daemon=True) for run in runners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return streams * count * len(pixels), max(ends) - starts[0]
