"""What an image costs in energy, where the machine has a meter."""

from __future__ import annotations

from edgetl.measure.launches import Variant, open_worker

# Meters count in steps of a millisecond and more: this long, a step is nothing.
SECONDS = 1.5


def millijoules(variant: Variant, latency_ns: float) -> tuple[float, str] | None:
    """Return the millijoules of one batch of ``variant``, idle power included, and the meter; None without a meter.

    ``latency_ns`` is what a batch takes. Raises WorkerError where the variant cannot run.
    """
    with open_worker(variant) as worker:
        if worker.energy(1).joules is None:
            return None
        count = max(1, round(SECONDS * 1e9 / max(latency_ns, 1.0)))
        found = worker.energy(count)
    return None if found.joules is None or found.source is None else (1e3 * found.joules / count, found.source)
