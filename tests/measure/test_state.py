"""What disturbed a measurement, told from readings that are written down here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from edgetl.artifacts import State
from edgetl.environments.local import local_command
from edgetl.measure.state import disturbances, state, together
from edgetl.measure.worker import Worker

S = 1_000_000_000
QUIET: Mapping[str, Any] = {
    "time_ns": 100 * S,
    "own_ns": 5 * S,
    "busy_s": 1000.0,
    "steal_s": 10.0,
    "throttled_s": 2.0,
    "load": 0.5,
    "frequency_mhz": [3000.0, 3000.0],
    "temperature_c": 50.0,
    "governor": "performance",
}


def later(seconds: float, **changes: Any) -> dict[str, Any]:
    return {**QUIET, "time_ns": QUIET["time_ns"] + int(seconds * S), **changes}


def test_what_the_workers_did_themselves_is_no_disturbance() -> None:
    # Two workers, each of which was busy for 3 of 10 seconds.
    found = state([QUIET, QUIET], [later(9, own_ns=8 * S, busy_s=1005.0), later(10, own_ns=8 * S, busy_s=1006.0)])
    assert found.seconds == 10.0
    assert found.others_cores == 0.0
    assert found.steal_share == 0.0
    assert found.throttled_share == 0.0
    assert disturbances(found) == ()


def test_what_others_did_is_told_in_cores() -> None:
    found = state([QUIET], [later(10, own_ns=9 * S, busy_s=1019.0)])
    assert found.others_cores == pytest.approx(1.5)
    assert disturbances(found) == ("Other programs kept 1.5 cores busy: stop them.",)


def test_a_tick_that_was_not_counted_yet_is_not_less_than_nothing() -> None:
    assert state([QUIET], [later(1, own_ns=6 * S, busy_s=1000.99)]).others_cores == 0.0


def test_stolen_time_is_a_share_of_what_was_wanted() -> None:
    found = state([QUIET], [later(10, own_ns=14 * S, busy_s=1009.0, steal_s=11.0)])
    assert found.steal_share == pytest.approx(0.1)
    assert disturbances(found) == ("The hypervisor gave 10% of the processors' time to others.",)


def test_the_time_that_a_quota_stopped_us_and_never_more_than_all_of_it() -> None:
    some, more = (state([QUIET], [later(10, throttled_s=2.0 + stopped)]) for stopped in (3.0, 15.0))
    assert (some.throttled_share, more.throttled_share) == (0.3, 1.0)
    assert "for 30% of the time" in disturbances(some)[0]


def test_idle_processors_that_clock_low_are_no_disturbance() -> None:
    found = state([{**QUIET, "frequency_mhz": [800.0, 3000.0]}], [later(1, frequency_mhz=[800.0, 2950.0])])
    assert found.frequency_mhz == (2950.0, 3000.0)
    assert disturbances(found) == ()


def test_the_fastest_processor_slowing_down_is_one() -> None:
    found = state([QUIET], [later(1, frequency_mhz=[800.0, 2400.0], temperature_c=85.0)])
    assert disturbances(found) == (
        "The clock rate moved between 2400 and 3000 MHz.",
        "It was 85 °C hot: let it cool down.",
    )


@pytest.mark.parametrize("governor", ["powersave", "ondemand", "schedutil", "conservative"])
def test_a_governor_that_saves_power_is_one(governor: str) -> None:
    (said,) = disturbances(state([QUIET], [later(1, governor=governor)]))
    assert f"'{governor}'" in said


def test_what_a_system_does_not_tell_is_not_made_up() -> None:
    silent = dict.fromkeys(QUIET, None) | {"time_ns": 0, "own_ns": 0}
    found = state([silent], [silent | {"time_ns": S}])
    assert found == State(seconds=1.0)
    assert disturbances(found) == ()
    assert together([found, found]) == State(seconds=2.0)


@pytest.mark.parametrize(("before", "after"), [([], []), ([QUIET], []), ([QUIET], [QUIET, QUIET])])
def test_readings_that_do_not_belong_together_are_refused(before: list[Any], after: list[Any]) -> None:
    with pytest.raises(ValueError, match="as many readings"):
        state(before, after)


def test_several_spans_together_weigh_by_their_length() -> None:
    short = State(seconds=1.0, others_cores=1.0, frequency_mhz=(2000.0, 3000.0), temperature_c=60.0, governor="a")
    long = State(seconds=3.0, others_cores=0.0, steal_share=0.5, frequency_mhz=(2500.0, 3500.0), governor="b")
    assert together([short, long]) == State(
        seconds=4.0,
        others_cores=0.25,
        # Known of one span only.
        steal_share=0.5,
        frequency_mhz=(2000.0, 3500.0),
        temperature_c=60.0,
        governor="b",
    )


def test_this_machine_between_two_readings_of_a_worker() -> None:
    with Worker(local_command()) as worker:
        before = worker.condition()
        found = state([before], [worker.condition()])
    assert 0 < found.seconds < 60
    assert found.throttled_share is None or 0 <= found.throttled_share <= 1
