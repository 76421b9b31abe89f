"""The stage: a fleet in waves, several devices at once; the first failure ends it, and running it again goes on."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from edgetl.delivery import WELL, ShipResult, ShipRow
from edgetl.errors import Interruption
from edgetl.progress import Progress
from edgetl.shipping.connections import Connections
from edgetl.shipping.device import Order, deliver
from edgetl.shipping.fleet import Device, Fleet


def ship(fleet: Fleet, order: Order, progress: Progress) -> ShipResult:
    """Return a row for each device, in the fleet's order; those behind a wave with a failure are skipped.

    Raises Interruption on Ctrl-C: each device then serves the version it had, or the new one.
    """
    rows: list[ShipRow] = []
    connections = Connections()
    try:
        for wave in fleet.split():
            failed = next((row for row in rows if row.status not in WELL), None)
            if failed is not None:
                reason = f"not begun, since {failed.host} {failed.status}"
                rows += [
                    ShipRow(host=str(each.at), status="skipped", version=None, reason=reason, seconds=0.0)
                    for each in wave
                ]
                continue
            rows += _wave(wave, fleet, order, connections, progress)
    except KeyboardInterrupt:
        raise Interruption(
            "Interrupted. Each device serves the version it had, or the new one; the same command goes on from there."
        ) from None
    return ShipResult(devices=tuple(rows))


def _wave(
    devices: Sequence[Device], fleet: Fleet, order: Order, connections: Connections, progress: Progress
) -> list[ShipRow]:
    def one(device: Device) -> ShipRow:
        def advanced(count: int, total: int) -> None:
            progress.step(f"send to {device.at}", count, total)

        return deliver(device, order, connections, advanced)

    with ThreadPoolExecutor(fleet.parallel, thread_name_prefix="ship") as pool:
        try:
            return list(pool.map(one, devices))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            connections.cut()
            raise
