"""What disturbed a measurement: the state of the machine while it was timed, and sentences on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgetl.artifacts import State

# What is worth a sentence.
BUSY_CORES = 0.15
STOLEN_SHARE = 0.02
THROTTLED_SHARE = 0.02
SLOWED_SHARE = 0.9
HOT_C = 80.0


def state(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> State:
    """Return the state between two readings of `device.condition.condition`, each taken of every worker.

    All workers are on one machine. Raises ValueError for no readings.
    """
    if not before or len(before) != len(after):
        raise ValueError("a state is told from as many readings before as after")
    # Read one after another: the first reading before to the last one after is the longest span.
    first, last = before[0], after[-1]
    seconds = max((last["time_ns"] - first["time_ns"]) / 1e9, 1e-9)
    own_s = sum(late["own_ns"] - early["own_ns"] for early, late in zip(before, after, strict=True)) / 1e9
    busy, stolen, throttled = (_grown(first, last, name) for name in ("busy_s", "steal_s", "throttled_s"))
    # Of the fastest processor at each reading: those that have nothing to do are slow on purpose.
    rates = [max(each["frequency_mhz"]) for each in (*before, *after) if each["frequency_mhz"]]
    heat = [each["temperature_c"] for each in (*before, *after) if each["temperature_c"] is not None]
    return State(
        seconds=seconds,
        others_cores=None if busy is None else max(0.0, busy - own_s) / seconds,
        steal_share=None if stolen is None or busy is None else stolen / max(stolen + busy, 1e-9),
        # Each processor that the quota stopped counts for itself.
        throttled_share=None if throttled is None else min(1.0, throttled / seconds),
        load=last["load"],
        frequency_mhz=(min(rates), max(rates)) if rates else None,
        temperature_c=max(heat, default=None),
        governor=last["governor"],
    )


def together(states: Sequence[State]) -> State:
    """Return the state over several spans: means weighted by their lengths, extremes of rates and temperatures."""
    seconds = sum(each.seconds for each in states)

    def mean(name: str) -> float | None:
        values = [(getattr(each, name), each.seconds) for each in states if getattr(each, name) is not None]
        return sum(value * span for value, span in values) / sum(span for _, span in values) if values else None

    rates = [rate for each in states for rate in each.frequency_mhz or ()]
    return State(
        seconds=seconds,
        others_cores=mean("others_cores"),
        steal_share=mean("steal_share"),
        throttled_share=mean("throttled_share"),
        load=mean("load"),
        frequency_mhz=(min(rates), max(rates)) if rates else None,
        temperature_c=max((each.temperature_c for each in states if each.temperature_c is not None), default=None),
        governor=states[-1].governor if states else None,
    )


def disturbances(state: State) -> tuple[str, ...]:
    """Return a sentence on each thing that makes latencies of this machine scatter, with what to do."""
    said = []
    if (state.others_cores or 0.0) > BUSY_CORES:
        said.append(f"Other programs kept {state.others_cores:.1f} cores busy: stop them.")
    if (state.steal_share or 0.0) > STOLEN_SHARE:
        said.append(f"The hypervisor gave {state.steal_share:.0%} of the processors' time to others.")
    if (state.throttled_share or 0.0) > THROTTLED_SHARE:
        said.append(
            f"The container's CPU quota stopped it for {state.throttled_share:.0%} of the time: raise the quota, or "
            "time fewer threads."
        )
    if state.frequency_mhz and state.frequency_mhz[0] < SLOWED_SHARE * state.frequency_mhz[1]:
        low, high = state.frequency_mhz
        said.append(f"The clock rate moved between {low:.0f} and {high:.0f} MHz.")
    if state.governor in ("powersave", "ondemand", "schedutil", "conservative"):
        said.append(f"The CPU frequency governor is '{state.governor}': set it to performance.")
    if (state.temperature_c or 0.0) >= HOT_C:
        said.append(f"It was {state.temperature_c:.0f} °C hot: let it cool down.")
    return tuple(said)


def _grown(first: Mapping[str, Any], last: Mapping[str, Any], name: str) -> float | None:
    if first[name] is None or last[name] is None:
        return None
    return max(0.0, float(last[name]) - float(first[name]))
