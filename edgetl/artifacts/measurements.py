"""What measuring gives: candidates row by row, or one under many settings, and what the machine did meanwhile."""

from __future__ import annotations

from typing import Any, ClassVar

from edgetl.artifacts.base import Artifact, Interval, Value
from edgetl.artifacts.candidates import Candidate


class State(Value):
    """The machine while something was timed. None is what its system does not tell.

    ``others_cores`` is how many cores other programs kept busy; ``steal_share`` the share of the processors' time that
    a hypervisor gave away, ``throttled_share`` the share of the time for which a cgroup's quota stopped the timed
    processes. ``frequency_mhz`` are the lowest and the highest clock rate that the fastest processor was seen at,
    ``temperature_c`` is the highest of any sensor.
    """

    seconds: float
    others_cores: float | None = None
    steal_share: float | None = None
    throttled_share: float | None = None
    load: float | None = None
    frequency_mhz: tuple[float, float] | None = None
    temperature_c: float | None = None
    governor: str | None = None


class Throughput(Value):
    """What a candidate does in batches of ``batch`` images, ``streams`` of them at the same time."""

    batch: int
    streams: int
    images_per_s: float


class Row(Candidate):
    """A candidate measured thoroughly. ``placement`` maps an execution provider to its number of graph nodes.

    ``mac_share`` maps it to its share of the multiply-accumulates, None where that cannot be told. Figures are means
    over launches with the intervals that launches support; a percentile that takes more runs than there were is None.
    ``energy_mj`` is what one image costs in millijoules, by the meter ``energy_source``; None on a machine without one.
    ``engine_settings`` are what it ran with, as the engine names it. ``throughput`` is empty where it was not asked
    for.
    """

    engine: str | None = None
    engine_version: str | None = None
    actual_precision: str | None = None
    engine_settings: dict[str, str] | None = None
    threads: int | None = None
    latency_p50_ci_ms: Interval | None = None
    latency_p90_ms: float | None = None
    latency_p90_ci_ms: Interval | None = None
    latency_p99_ms: float | None = None
    latency_p99_ci_ms: Interval | None = None
    cold_start_ms: float | None = None
    cold_start_ci_ms: Interval | None = None
    session_ms: float | None = None
    end_to_end_p50_ms: float | None = None
    end_to_end_ci_ms: Interval | None = None
    peak_rss_mb: float | None = None
    placement: dict[str, int] | None = None
    mac_share: dict[str, float] | None = None
    energy_mj: float | None = None
    energy_source: str | None = None
    resident_p50_ms: float | None = None
    resident_p50_ci_ms: Interval | None = None
    throughput: tuple[Throughput, ...] = ()


class BenchResult(Artifact):
    """Rows of candidate x provider, the machine that they were measured on and the state it was in.

    ``noise_floor`` is the interval of the latency ratio of two processes of the baseline itself; ``launches`` how often
    all processes were started.
    """

    FILE: ClassVar[str] = "bench.json"

    target: str
    machine: dict[str, Any]
    state: State
    images: int
    launches: int
    noise_floor: Interval
    rows: tuple[Row, ...]
    timings: str


class Setting(Value):
    """A candidate's latency under one setting of its session, and its ratio to the target's own setting."""

    name: str
    threads: int
    spinning: bool
    pinned: bool
    options: dict[str, str]
    latency_p50_ms: float
    ratio: float
    ci: Interval


class SweepResult(Value):
    """A candidate under many settings, the fastest first; ``default_threads`` is what the target's setting gives."""

    run: str
    candidate: str
    target: str
    default_threads: int
    launches: int
    rows: tuple[Setting, ...]
    machine: dict[str, Any]
    state: State
