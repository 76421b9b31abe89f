"""The loop that serves one host: read a request, answer it, wait.

A runner that nobody asks anything is parked in a blocking read and uses no processor, so it does not disturb the one
that is being timed.
"""

from __future__ import annotations

import os
import signal
from typing import BinaryIO

from edgetl.device.ops import OPS
from edgetl.device.state import RequestError, State
from edgetl.device.store import Store
from edgetl.device.wire import Message, WireError, read_message, write_message


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer requests until the stream ends, the host says bye, or it no longer reads.

    A request that fails is answered with ``{"error": {"kind", "message"}}``, and the next one is served.
    """
    with Store() as store:
        state = State(store)
        while True:
            try:
                request = read_message(source)
                reply = None if request is None else answer(state, request)
            except WireError as error:
                request, reply = Message({}), _error(error)
            if request is None or reply is None:
                return
            try:
                write_message(sink, reply)
            except OSError:
                return
            if request.header.get("op") == "bye":
                return


def answer(state: State, request: Message) -> Message:
    """Return the reply to one request, whatever happens."""
    name = request.header.get("op")
    try:
        if not isinstance(name, str) or name not in OPS:
            raise RequestError(f"There is no op {name!r}; there are {', '.join(OPS)}.")
        return OPS[name](state, request)
    except Exception as error:  # noqa: BLE001 - engines raise anything; the host decides what it means
        return _error(error)


def main() -> None:
    """Serve on the process's own standard input and output."""
    # The host handles Ctrl-C and then closes the stream; terminated, the runner still removes its folder.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    source, sink = _claim_streams()
    with source, sink:
        serve(source, sink)


def _claim_streams() -> tuple[BinaryIO, BinaryIO]:
    """Return streams of our own, and leave engines that print or read with standard error and nothing."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink


def _stop(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


def _error(error: Exception) -> Message:
    text = str(error) or "no message"
    return Message({"error": {"kind": type(error).__name__, "message": text[:2000]}})
