"""The devices that one shipping is for, and in which waves: ``fleet.toml``, typed.

::

    path = "/opt/models/surface"        # where versions lie there; a device may have its own
    python = "python3"                  # with numpy, Pillow and the engine
    waves = ["1", "10%", "100%"]        # one canary, then a tenth, then all; a failure ends it
    parallel = 8                        # at once
    keep = 3                            # versions on a device

    [[devices]]
    host = "ssh://pi@line-1"

    [[devices]]
    host = "ssh://pi@line-2:2222"
    path = "/srv/models/surface"
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import pydantic

from edgetl.defaults import KEEP
from edgetl.errors import ConfigError
from edgetl.measure.remote import PYTHON, SCHEME, Address, address
from edgetl.settings import parse, read_toml

PARALLEL = 8
WAVES = ("1", "10%", "100%")
_SIZE = re.compile(r"([1-9]\d{0,5})(%?)")


class _Frozen(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class _Device(_Frozen):
    host: str
    path: str | None = None
    python: str | None = None


class _File(_Frozen):
    path: str | None = None
    python: str = PYTHON
    waves: tuple[str, ...] = pydantic.Field(default=WAVES, min_length=1)
    parallel: Annotated[int, pydantic.Field(ge=1, le=256)] = PARALLEL
    keep: Annotated[int, pydantic.Field(ge=1, le=1000)] = KEEP
    devices: tuple[_Device, ...] = pydantic.Field(min_length=1)


@dataclass(frozen=True)
class Device:
    """One device: its address, the folder that its versions lie in, and its interpreter."""

    at: Address
    root: str
    python: str


@dataclass(frozen=True)
class Fleet:
    """Devices in the order in which they get a version; ``waves`` say how many of them, or what share, by then."""

    devices: tuple[Device, ...]
    waves: tuple[str, ...] = WAVES
    parallel: int = PARALLEL
    keep: int = KEEP

    def split(self) -> tuple[tuple[Device, ...], ...]:
        """Return the devices of each wave; the last wave has all that are left."""
        count, cuts = len(self.devices), [0]
        for wave in self.waves:
            cuts.append(max(cuts[-1], min(count, _size(wave, count))))
        cuts[-1] = count
        return tuple(self.devices[a:b] for a, b in pairwise(cuts) if b > a)


def read(path: Path) -> Fleet:
    """Return the fleet in a TOML file; raises ConfigError."""
    file = parse(_File, read_toml(path), path)
    for wave in file.waves:
        if not _SIZE.fullmatch(wave):
            raise ConfigError(f"{path}: a wave is a number of devices or a share such as '10%', not '{wave}'.")
    devices = []
    for each in file.devices:
        there = address(each.host)
        root = each.path or there.path or file.path
        if not root:
            raise ConfigError(f"{path}: {each.host} has no 'path' to put versions in, and the file none for all.")
        devices.append(Device(there, root, each.python or file.python))
    places = [(device.at, device.root) for device in devices]
    if twice := next((place for place in places if places.count(place) > 1), None):
        raise ConfigError(f"{path}: {twice[0]} is listed twice with {twice[1]}.")
    return Fleet(tuple(devices), file.waves, file.parallel, file.keep)


def of_addresses(addresses: tuple[str, ...], python: str, keep: int) -> Fleet:
    """Return the devices of addresses of the form ``ssh://user@host[:port]/path``; raises ConfigError, UsageError."""
    devices = []
    for each in addresses:
        there = address(each)
        if not there.path:
            raise ConfigError(f"'{each}' does not say where versions go there. Write {SCHEME}{there}/opt/models/NAME.")
        devices.append(Device(there, there.path, python))
    return Fleet(tuple(devices), keep=keep)


def _size(wave: str, count: int) -> int:
    found = _SIZE.fullmatch(wave)
    number = int(found[1]) if found else count
    return math.ceil(count * min(number, 100) / 100) if wave.endswith("%") else number
