"""What a runner remembers between requests, and how it reads one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgetl.device.install.place import Place
from edgetl.device.providers.base import Session
from edgetl.device.store import Store
from edgetl.device.wire import Message


class RequestError(ValueError):
    """The host asked for something that makes no sense, or not now."""


@dataclass
class State:
    """One model at most and the images it is timed on; the place that versions of a model are installed in."""

    store: Store
    session: Session | None = None
    pixels: NDArray[np.uint8] | None = None
    rss_before_load: int = 0
    place: Place | None = None


def whole(message: Message, name: str, most: int, least: int = 1) -> int:
    """Return the whole number that a request gives as ``name``; raises RequestError."""
    number = message.header.get(name)
    if type(number) is not int or not least <= number <= most:
        raise RequestError(f"'{name}' must be a whole number from {least} to {most}.")
    return number


def text(message: Message, name: str) -> str:
    """Return the text that a request gives as ``name``; raises RequestError."""
    value = message.header.get(name)
    if not isinstance(value, str):
        raise RequestError(f"'{name}' must be a text.")
    return value
