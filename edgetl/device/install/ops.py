"""What a host can ask of a device's place: one function each, and the table of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from edgetl.device.bundle.archive import MAX_BYTES
from edgetl.device.install.place import InstallError, Place
from edgetl.device.state import RequestError, State, text, whole
from edgetl.device.wire import Message

_MOST_VERSIONS = 1000
_MOST_SECONDS = 3600
# What a verification may take beside its timing: an engine's start on a small board, and the golden images.
_STARTING_S = 300.0


def place(state: State, message: Message) -> Message:
    """Work in the place ``root``, locked until this runner ends; answer its current version, all versions, its room."""
    if state.place is None:
        state.place = Place(Path(text(message, "root")).expanduser())
    there = state.place
    versions = list(there.versions())
    return Message({"current": there.current, "versions": versions, "free_bytes": there.free_bytes()})


def arrived(state: State, message: Message) -> Message:
    """Answer how many bytes of the bundle ``sha256`` are here, and their SHA-256."""
    count, prefix = _place(state).arrived(text(message, "sha256"))
    return Message({"bytes": count, "prefix_sha256": prefix})


def append(state: State, message: Message) -> Message:
    """Put the payload behind the first ``offset`` bytes of the bundle ``sha256``."""
    if len(message.payload) != 1:
        raise RequestError("'append' needs the bytes as its one payload.")
    offset = whole(message, "offset", MAX_BYTES, least=0)
    _place(state).append(text(message, "sha256"), offset, message.payload[0])
    return Message({})


def unpack(state: State, message: Message) -> Message:
    """Check the bundle ``sha256`` and put its version beside the current one; answer the ``version``."""
    return Message({"version": _place(state).unpack(text(message, "sha256"))})


def verify(state: State, message: Message) -> Message:
    """Run the program of ``version`` as it will be run here; answer its verdict, or what it said instead."""
    program = _place(state).program(text(message, "version"))
    seconds = whole(message, "seconds", _MOST_SECONDS)
    command = [sys.executable, str(program), "verify", "--json", "--seconds", str(seconds)]
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_STARTING_S + 3 * seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise InstallError(f"its verification did not end within {error.timeout:.0f} s.") from None
    said = ended.stderr.decode(errors="replace").strip()
    try:
        return Message({"verified": json.loads(ended.stdout), "said": said})
    except ValueError:
        return Message({"verified": None, "said": said or f"it ended with exit code {ended.returncode}"})


def switch(state: State, message: Message) -> Message:
    """Make ``version`` the current one."""
    _place(state).switch(text(message, "version"))
    return Message({})


def discard(state: State, message: Message) -> Message:
    """Remove ``version``, unless it is the current one."""
    _place(state).discard(text(message, "version"))
    return Message({})


def prune(state: State, message: Message) -> Message:
    """Keep the current version and those that were current before it, ``keep`` in all; answer those ``removed``."""
    return Message({"removed": list(_place(state).prune(whole(message, "keep", _MOST_VERSIONS)))})


def previous(state: State, _message: Message) -> Message:
    """Answer the ``version`` that was current before."""
    return Message({"version": _place(state).previous()})


OPS: Mapping[str, Callable[[State, Message], Message]] = {
    "place": place,
    "arrived": arrived,
    "append": append,
    "unpack": unpack,
    "verify": verify,
    "switch": switch,
    "discard": discard,
    "prune": prune,
    "previous": previous,
}


def _place(state: State) -> Place:
    if state.place is None:
        raise RequestError("No place was named: send 'place' first.")
    return state.place
