"""The state of machines made of /proc and /sys trees."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from edgetl.device.condition import condition, frequencies_mhz, load, temperature_c, throttled_s
from tests.device.test_machine import tree

TICK = os.sysconf("SC_CLK_TCK")
CGROUP = {"proc/self/cgroup": "0::/jobs/one\n"}


def stat(*ticks: int) -> dict[str, str]:
    return {"proc/stat": f"cpu  {' '.join(map(str, ticks))}\ncpu0 1 1 1 1\nintr 5\n"}


def test_busy_time_is_all_but_rest_and_what_was_stolen(tmp_path: Path) -> None:
    # user nice system idle iowait irq softirq steal, then guests, who are in user already.
    found = condition(tree(tmp_path, stat(TICK, 2 * TICK, 3 * TICK, 400 * TICK, 50 * TICK, TICK, TICK, 7 * TICK, 9, 9)))
    assert found["busy_s"] == 8.0
    assert found["steal_s"] == 7.0


@pytest.mark.parametrize("first", ["", "cpu  1 2 3\n", "intr 1 2 3 4 5 6 7 8 9\n"])
def test_without_the_kernel_s_columns_nothing_is_said(first: str, tmp_path: Path) -> None:
    found = condition(tree(tmp_path, {"proc/stat": first}))
    assert found["busy_s"] is None
    assert found["steal_s"] is None


@pytest.mark.parametrize(
    ("files", "seconds"),
    [
        ({}, None),
        (CGROUP, None),
        (CGROUP | {"sys/fs/cgroup/jobs/one/cpu.stat": "usage_usec 9\nnr_throttled 2\nthrottled_usec 1500000\n"}, 1.5),
        (
            CGROUP
            | {
                "sys/fs/cgroup/jobs/one/cpu.stat": "throttled_usec 0\n",
                "sys/fs/cgroup/jobs/cpu.stat": "throttled_usec 2500000\n",
                "sys/fs/cgroup/cpu.stat": "usage_usec 9\n",
            },
            2.5,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/docker/abc\n",
                "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.stat": "nr_throttled 1\nthrottled_time 3000000000\n",
            },
            3.0,
        ),
    ],
    ids=["no cgroup", "no counter", "own", "an ancestor's", "version 1"],
)
def test_for_how_long_a_quota_stopped_us(files: dict[str, str], seconds: float | None, tmp_path: Path) -> None:
    assert throttled_s(tree(tmp_path, files)) == seconds


def test_a_folder_with_two_names_counts_once(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:cpu,cpuacct:/one\n",
        "sys/fs/cgroup/cpu,cpuacct/one/cpu.stat": "throttled_time 3000000000\n",
    }
    root = tree(tmp_path, files)
    (root / "sys/fs/cgroup/cpu").symlink_to("cpu,cpuacct")
    assert throttled_s(root) == 3.0


def test_clock_rates_are_those_of_the_kernel_or_else_of_cpuinfo(tmp_path: Path) -> None:
    assert frequencies_mhz(tmp_path) is None
    root = tree(tmp_path, {"proc/cpuinfo": "cpu MHz\t\t: 2100.5\n\ncpu MHz\t\t: 1800\n"})
    assert frequencies_mhz(root) == [1800.0, 2100.5]
    rates = {f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq": f"{1000 + core}000\n" for core in range(3)}
    assert frequencies_mhz(tree(tmp_path, rates)) == [1000.0, 1002.0]


def test_the_hottest_sensor_that_is_on(tmp_path: Path) -> None:
    assert temperature_c(tmp_path) is None
    values = {"0": "45500\n", "1": "61250\n", "2": "-274000\n", "3": "0\n", "4": "off\n"}
    root = tree(tmp_path, {f"sys/class/thermal/thermal_zone{zone}/temp": text for zone, text in values.items()})
    assert temperature_c(root) == 61.25


@pytest.mark.parametrize(("text", "mean"), [("1.25 0.80 0.40 2/300 99\n", 1.25), ("", None), ("many", None)])
def test_the_load(text: str, mean: float | None, tmp_path: Path) -> None:
    assert load(tree(tmp_path, {"proc/loadavg": text})) == mean


def test_an_unreadable_machine_still_has_its_clocks(tmp_path: Path) -> None:
    found = condition(tmp_path)
    assert {name for name, value in found.items() if value is not None} == {"time_ns", "own_ns"}


def test_this_machine_s_counters_grow_with_work_and_are_plain_json() -> None:
    first = condition()
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        pass
    last = condition()
    assert last["time_ns"] - first["time_ns"] >= 50e6
    assert last["own_ns"] - first["own_ns"] > 10e6
    for name in ("busy_s", "steal_s", "throttled_s"):
        assert first[name] is None or last[name] >= first[name]
    assert json.loads(json.dumps(last)) == last
