"""One device: what is sent, verified and switched there, and what went wrong where it was not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from edgetl import targets
from edgetl.delivery import ShipRow, ShipStatus
from edgetl.device.bundle.manifest import Manifest
from edgetl.device.machine import ONNXRUNTIMES
from edgetl.device.values import Hello
from edgetl.errors import WorkerError
from edgetl.measure.remote import over_ssh
from edgetl.shipping.connections import Connections
from edgetl.shipping.fleet import Device
from edgetl.shipping.installer import Installer, There
from edgetl.shipping.parcel import Parcel

# How often a connection that was lost midway is made again, and after how many seconds.
ATTEMPTS, PAUSE_S = 4, 2.0
# A bundle lies there once as it came and once unpacked; and a little for the rest.
_ROOM, _SPARE_BYTES = 2, 1 << 20
# What runs a provider, by the names of its distributions; and what to install where there is none.
_ENGINES: Mapping[str, tuple[str, ...]] = {
    "cpu": ONNXRUNTIMES,
    "cuda": ("onnxruntime-gpu",),
    "tensorrt": ("onnxruntime-gpu",),
    "openvino": ("openvino",),
    "openvino-ep": ("onnxruntime-openvino",),
}
_LOST = ("Died", "Timeout")


class Refused(Exception):  # noqa: N818 - a result, not a fault
    """The device keeps what it had; the message says why."""


@dataclass(frozen=True)
class Order:
    """What is asked of a device: a bundle (None: back to the version before), how many versions to ``keep``.

    ``seconds`` is how long the model is timed there. ``again`` verifies also a version that is the
    current one already.
    """

    parcel: Parcel | None
    keep: int
    seconds: int
    again: bool = False


def deliver(device: Device, order: Order, connections: Connections, advanced: Callable[[int, int], None]) -> ShipRow:
    """Return what became of a device. Each failure is a row, and the device then serves what it had.

    ``advanced`` is told the bytes that are there and those that there will be. Raises Cut once ``connections`` are.
    """
    start, delivery = time.monotonic(), _Delivery(device, order, advanced)
    status, reason = delivery.attempted(connections)
    seconds = round(time.monotonic() - start, 2)
    return ShipRow(host=str(device.at), status=status, version=delivery.serves, reason=reason, seconds=seconds)


class _Delivery:
    """What is known of a device from one connection to the next. ``serves`` is the version that programs find there."""

    def __init__(self, device: Device, order: Order, advanced: Callable[[int, int], None]) -> None:
        self._device, self._order, self._advanced = device, order, advanced
        self.serves: str | None = None
        self._reached = False
        # Asked once: what was before is another question after a switch whose answer was lost.
        self._back: str | None = None

    def attempted(self, connections: Connections) -> tuple[ShipStatus, str]:
        """Return what came of it and why; a connection that was lost midway is made again a few times."""
        lost: WorkerError | None = None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with Installer(over_ssh(self._device.at, self._device.python)) as there:
                    self._reached = True
                    with connections.watched(there), _told():
                        return self._carried_out(there)
            except Refused as refused:
                return "failed", str(refused)
            except WorkerError as error:
                if error.kind not in _LOST:
                    return "failed", str(error)
                if not self._reached:
                    return "unreachable", _unreached(error)
                lost = error
            connections.pause(PAUSE_S * attempt)
        assert lost is not None
        return "unreachable", f"the connection was lost {ATTEMPTS} times ({_last(lost)})"

    def _carried_out(self, there: Installer) -> tuple[ShipStatus, str]:
        found = there.place(self._device.root)
        self.serves = found.current
        parcel = self._order.parcel
        if parcel is None:
            self._back = self._back or there.previous()
            there.switch(self._back)
            self.serves = self._back
            return "rolled back", f"from {found.current}"
        if found.current == parcel.version and not self._order.again:
            return "unchanged", "it is the current version already"
        _require_fit(parcel.manifest, there.hello)
        if parcel.version not in found.versions:
            _send(there, found, parcel, self._advanced)
        measured = _verified(there, parcel.version, self._order.seconds)
        there.switch(parcel.version)
        self.serves = parcel.version
        there.prune(self._order.keep)
        return "shipped", measured


def _require_fit(manifest: Manifest, hello: Hello) -> None:
    """Raise Refused for a device of another architecture, without needed instructions, or without the engine."""
    machine, facts = manifest.machine, hello.machine
    architecture = targets.architecture(str(facts["architecture"]))
    if architecture != machine.architecture:
        raise Refused(f"it is {architecture}, the bundle is for {machine.architecture}")
    features = set(facts["cpu_features"])
    missing = [name for name in machine.features if name not in features]
    if machine.any_of and features.isdisjoint(machine.any_of):
        missing.append(" or ".join(machine.any_of))
    if missing:
        raise Refused(f"its CPU lacks {', '.join(missing)}, which target {manifest.target} has")
    engines = _ENGINES.get(manifest.spec.provider, ())
    if engines and not any(name in hello.engines for name in engines):
        raise Refused(f"it lacks {engines[0]}. There: python3 -m pip install {engines[0]}")


def _send(there: Installer, found: There, parcel: Parcel, advanced: Callable[[int, int], None]) -> None:
    offset = there.arrived(parcel.path, parcel.sha256)
    needed = _ROOM * parcel.size_bytes - offset + _SPARE_BYTES
    if found.free_bytes < needed:
        raise Refused(f"its disk is full: {needed / 1e6:.0f} MB are needed, {found.free_bytes / 1e6:.0f} MB are free")
    advanced(offset, parcel.size_bytes)
    there.send(parcel.path, parcel.sha256, offset, lambda count: advanced(count, parcel.size_bytes))
    version = there.unpack(parcel.sha256)
    if version != parcel.version:
        raise Refused(f"it unpacked version {version}, not {parcel.version}")


def _verified(there: Installer, version: str, seconds: int) -> str:
    """Return what was measured there; where it is not as it should be, remove the version and raise Refused."""
    result, said = there.verify(version, seconds)
    if result is None or not result["ok"]:
        there.discard(version)
        raise Refused(f"it did not verify there: {_why(result, said)}")
    latency = result["latency"]
    return f"verified: {result['sqnr_db']:.1f} dB, p50 {latency['p50_ms']:.2f} ms"


def _why(result: Mapping[str, Any] | None, said: str) -> str:
    if result is not None:
        return "; ".join(result["reasons"])
    return said.splitlines()[-1].removeprefix("Error: ") if said else "it ended without a word"


@contextmanager
def _told() -> Iterator[None]:
    """Turn what a device refuses into a sentence."""
    try:
        yield
    except WorkerError as error:
        if error.kind == "OSError" and ("Errno 28" in str(error) or "Errno 122" in str(error)):
            raise Refused("its disk is full") from error
        if error.kind in ("PermissionError", "OSError", "NotADirectoryError", "FileExistsError", "FileNotFoundError"):
            raise Refused(f"its folder cannot be written ({error})") from error
        if error.kind in ("InstallError", "BundleError"):
            raise Refused(f"the bundle {error}" if error.kind == "BundleError" else str(error)) from error
        raise


def _unreached(error: WorkerError) -> str:
    """Return why there was no connection, or no runner at its end, in a few words."""
    missing = [line for line in error.said if "ModuleNotFoundError" in line]
    if missing:
        module = missing[-1].split("'")[1] if "'" in missing[-1] else "a module"
        package = {"PIL": "pillow"}.get(module, module)
        return f"its Python lacks {package}. There: python3 -m pip install numpy pillow"
    return _last(error)


def _last(error: WorkerError) -> str:
    return error.said[-1].strip() if error.said else str(error)
