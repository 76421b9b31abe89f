"""Settings of a session, on a scripted model: which are tried, and what is said of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgetl.errors import UsageError
from edgetl.measure import replication
from edgetl.measure import sweep as module
from edgetl.measure.bench import BenchSettings
from edgetl.measure.launches import Variant
from edgetl.measure.statistics import Estimate
from edgetl.measure.sweep import SPINNING, sweep
from edgetl.progress import Silent
from edgetl.reporting.sweep import settings as drawn
from tests.measure.scripted_run import MS, PREPROCESS, scripted_run
from tests.measure.test_launches import IMAGE
from tests.reporting.test_terminal import drawn as text_of


def test_every_setting_is_compared_with_the_targets_own(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={"latency_ns": [4 * MS]})
    result = sweep(BenchSettings(run, time_budget_s=1.0), None, Silent())
    assert result.candidate == "fake-int8"
    assert result.launches >= 3
    assert {row.threads for row in result.rows} >= {1}
    for row in result.rows:
        assert row.latency_p50_ms == pytest.approx(4.0)
        assert row.ratio == pytest.approx(1.0)
    text = text_of(drawn(result), 100)
    assert "No setting is faster than the target's beyond the noise." in text
    assert "1 thread" in text


def test_what_is_tried_depends_on_the_engine_and_the_cores(tmp_path: Path) -> None:
    def tried(provider: str, cores: int) -> dict[str, Variant]:
        return dict(module._variants(Variant(tmp_path, provider, "fp32", 0, PREPROCESS, IMAGE), cores))

    assert set(tried("openvino", 1)) == {"1 thread"}
    assert set(tried("openvino", 2)) == {"1 thread", "1 thread, pinned", "2 threads"}
    four = tried("cpu", 4)
    assert {each.threads for each in four.values()} == {1, 2, 4}
    assert four["4 threads, no spinning"].options == {SPINNING: "0"}
    assert four["2 threads, no spinning, pinned"].pinned
    # A thread alone waits for no other.
    assert not any("1 thread, no" in name for name in four)
    assert {each.threads for each in tried("cpu", 6).values()} == {1, 2, 4, 6}


def test_a_gpu_s_own_settings_are_tried_by_their_names(tmp_path: Path) -> None:
    variant = Variant(tmp_path, "cuda", "fp32", 0, PREPROCESS, IMAGE)
    tried = module._variants(variant, 4)
    assert tried["TF32"].options == {"use_tf32": "1"}
    assert {"NHWC", "CUDA graph", "heuristic search", "on the device"} <= set(tried)
    # A graph replays into fixed buffers.
    assert all(each.options.get("binding") for each in tried.values() if "enable_cuda_graph" in each.options)
    assert {each.threads for each in tried.values()} == {0}


def test_the_options_of_a_setting_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.providers, "settings", lambda provider: {"TF32": {"use_tf32": "1"}})
    result = sweep(BenchSettings(scripted_run(tmp_path, fake_fp32={}), time_budget_s=1.0), None, Silent())
    assert [(row.name, row.options) for row in result.rows] == [("TF32", {"use_tf32": "1"})]


def test_the_intervals_hold_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def ratio(seen: Sequence[replication.Contrast], *, confidence: float = 0.95) -> Estimate:
        asked.append(confidence)
        return Estimate(1.0, 0.9, 1.1, confidence)

    monkeypatch.setattr(replication, "ratio", ratio)
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={})
    result = sweep(BenchSettings(run, time_budget_s=1.0), None, Silent())
    assert asked == pytest.approx([1 - 0.05 / len(result.rows)] * len(result.rows))
    assert "95 % together" in text_of(drawn(result), 100)


def test_elsewhere_the_cores_are_that_machines_and_nothing_is_pinned(tmp_path: Path) -> None:
    # A worker whose machine has three cores, whatever this one has.
    there = (
        "from edgetl.device import ops\nops.cores_allowed = lambda: 3\nfrom edgetl.device.worker import main\nmain()\n"
    )
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={})
    settings = BenchSettings(run, time_budget_s=1.0, worker=(sys.executable, "-P", "-c", there))
    result = sweep(settings, None, Silent())
    assert {row.name for row in result.rows} == {"1 thread", "2 threads", "3 threads"}
    assert not any(row.pinned for row in result.rows)


def test_an_unknown_candidate_is_one_sentence(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={})
    with pytest.raises(UsageError, match="Did you mean 'fake-int8'"):
        sweep(BenchSettings(run), "fake-int9", Silent())
