"""Launches of scripted models: what each gives, when they end, and what becomes of one that fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgetl.errors import WorkerError
from edgetl.measure.launches import MAX_ROUNDS, MIN_LAUNCHES, MIN_ROUNDS, Launch, Launches, Plan, Variant, launch_all
from edgetl.progress import Silent
from tests.measure.scripted_run import MS, PREPROCESS, script

IMAGE = np.zeros((1, 8, 8, 3), np.uint8)


def variant(path: Path, **keys: Any) -> Variant:
    return Variant(script(path, **keys), "fake", "fp32", 1, PREPROCESS, IMAGE)


def launched(variants: dict[str, Variant], **plan: Any) -> Launches:
    return launch_all(variants, Plan(**({"time_budget_s": 0.0} | plan)), Silent())


def test_each_launch_starts_every_variant_anew(tmp_path: Path) -> None:
    one = variant(tmp_path / "one.json", latency_ns=[2 * MS], load_ns=7 * MS)
    found = launched({"one": one, "again": one})
    assert len(found.launches) == MIN_LAUNCHES
    for launch in found.launches:
        assert set(launch.timed) == {"one", "again"}
        timed = launch.timed["one"]
        # In turns, twice a round: every block holds both visits.
        assert {ns for block in timed.inference for ns in block} == {2 * MS}
        assert MIN_ROUNDS <= len(timed.inference) == len(launch.timed["again"].inference) <= MAX_ROUNDS
        assert timed.session_ns == 7 * MS
        assert timed.cold_start_ns > 20 * MS  # a process and numpy
        assert timed.peak_rss_bytes > 5_000_000
        assert timed.end_to_end == ()
        assert launch.state.seconds > 0
    assert found.reports["one"].engine == "fake"
    assert found.machine["cores_allowed"] >= 1


def test_launching_ends_when_it_is_decided_or_the_time_is_over(tmp_path: Path) -> None:
    one = variant(tmp_path / "one.json")
    asked: list[int] = []

    def decide(launches: Sequence[Launch]) -> bool:
        asked.append(len(launches))
        return len(launches) == 4

    found = launch_all({"one": one}, Plan(time_budget_s=60.0), Silent(), decide=decide)
    assert asked == [3, 4]
    assert len(found.launches) == 4


def test_a_launch_times_the_runs_that_a_percentile_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Scripted runs take no time, so that a launch would make all rounds that it may.
    monkeypatch.setattr("edgetl.measure.launches.MAX_ROUNDS", MIN_ROUNDS)
    slow = variant(tmp_path / "slow.json", latency_ns=[40 * MS])
    made = [sum(map(len, launched({"slow": slow}, runs=runs).launches[0].timed["slow"].inference)) for runs in (0, 29)]
    assert made == [16, 32]


def test_end_to_end_times_whole_passes_over_the_images(tmp_path: Path) -> None:
    from tests.measure.scripted_run import draw

    photos = sorted(draw(tmp_path / "photos", {"test": 1}).rglob("*.png"))
    found = launched(
        {"one": variant(tmp_path / "one.json", latency_ns=[3 * MS])}, encoded=[each.read_bytes() for each in photos]
    )
    blocks = found.launches[0].timed["one"].end_to_end
    assert blocks and all(len(block) % len(photos) == 0 for block in blocks)


def test_a_variant_that_fails_is_given_up_and_the_others_go_on(tmp_path: Path) -> None:
    dying = variant(tmp_path / "dying.json", fail={"at": "run", "how": "exit", "after": 50, "message": "No memory."})
    found = launched({"one": variant(tmp_path / "one.json"), "dying": dying})
    assert [set(launch.timed) for launch in found.launches] == [{"one"}] * MIN_LAUNCHES
    assert "No memory." in str(found.setbacks["dying"])
    assert set(found.reports) == {"one"}


def test_what_is_required_must_not_fail(tmp_path: Path) -> None:
    failing = variant(tmp_path / "failing.json", fail={"at": "load", "how": "error", "message": "No memory."})
    for variants, required in (
        ({"one": variant(tmp_path / "one.json"), "two": failing}, ("two",)),
        ({"two": failing}, ()),
    ):
        with pytest.raises(WorkerError, match="No memory"):
            launched(variants, required=required)
