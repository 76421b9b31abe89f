"""`bench` on models whose latency and answers are scripted, and once on ONNX Runtime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgetl.artifacts import BenchResult, QuantizeResult, Row
from edgetl.device import providers
from edgetl.device.machine import nvidia_driver
from edgetl.errors import MeasureError, UsageError
from edgetl.measure.bench import BenchSettings, bench
from edgetl.measure.lineup import lineup
from edgetl.progress import Silent
from tests.measure.scripted_run import MS, replace_models, scripted_run

NO_DEVICE = {"fail": {"at": "load", "how": "unavailable", "message": "No such device."}}


def benched(run: Path, *providers: str) -> BenchResult:
    return bench(BenchSettings(run, providers=providers, time_budget_s=1.0), Silent())


def row(result: BenchResult, name: str) -> Row:
    return {row.name: row for row in result.rows}[name]


def test_a_candidate_is_measured_with_the_options_that_it_was_chosen_with(tmp_path: Path) -> None:
    tuned = {"latency_ns": [8 * MS], "tuned": 0.5, "options": {"tuned": "1"}}
    result = benched(scripted_run(tmp_path, fake_fp32={}, fake_int8=tuned))
    assert row(result, "fake-int8").latency_p50_ms == pytest.approx(4.0)
    assert row(result, "fake-int8").options == {"tuned": "1"}


def test_rows_hold_what_was_scripted(tmp_path: Path) -> None:
    int8: dict[str, Any] = {
        "latency_ns": [4 * MS, 5 * MS],
        "load_ns": 7 * MS,
        "placement": {"FakeExecutionProvider": 9},
    }
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8=int8 | {"flips": 0.3})
    result = benched(run)
    base, fast = result.rows
    # Chosen on other images, but on these it loses too much.
    assert (base.status, fast.status) == ("baseline", "rejected")
    assert base.resident_p50_ms is fast.resident_p50_ms is None
    assert "more than the budget of 2.0" in fast.reason
    assert (base.accuracy, base.agreement, base.speedup) == (1.0, 1.0, None)
    assert base.latency_p50_ms == pytest.approx(10.0)
    assert fast.latency_p50_ms == pytest.approx(4.5)
    assert fast.latency_p90_ms == pytest.approx(5.0)
    assert fast.latency_p90_ci_ms == pytest.approx((5.0, 5.0))
    assert fast.speedup == pytest.approx(2.5)
    assert fast.speedup_ci == pytest.approx((2.5, 2.5))
    assert fast.accuracy is not None and 0.5 < fast.accuracy < 0.9
    assert fast.agreement == pytest.approx(fast.accuracy)
    assert (fast.engine, fast.actual_precision, fast.placement) == ("fake", "int8", {"FakeExecutionProvider": 9})
    assert fast.session_ms == pytest.approx(7.0)
    assert fast.end_to_end_p50_ms == pytest.approx(4.5)
    assert fast.cold_start_ms is not None and fast.cold_start_ms > 1
    assert fast.peak_rss_mb is not None and fast.peak_rss_mb > 5
    assert result.images == 210
    assert result.noise_floor == pytest.approx((1.0, 1.0))
    assert result.launches >= 3 and result.state.seconds > 0
    assert result.machine["cores_allowed"] >= 1
    assert BenchResult.load(run) == result


def test_a_reason_from_the_search_is_told_as_such_beside_what_is_measured_here(tmp_path: Path) -> None:
    slow = {"status": "rejected", "latency_ns": [4 * MS]}
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8=slow)
    quantized = QuantizeResult.load(run)
    searched, unmeasured = (
        quantized.candidates[1].model_copy(update={"latency_p50_ms": p50, "reason": "It is not faster."})
        for p50 in (9.0, None)
    )
    for candidate, reason in ((searched, "In the search: It is not faster."), (unmeasured, "It is not faster.")):
        quantized.model_copy(update={"candidates": (quantized.candidates[0], candidate)}).save(run)
        assert row(benched(run), "fake-int8").reason == reason


def test_raw_timings_are_kept_paired_by_round(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={})
    result = benched(run)
    raw = json.loads((run / result.timings).read_text())
    assert raw["unit"] == "ns"
    assert len(raw["launches"]) == result.launches >= 3
    for launch in raw["launches"]:
        assert set(launch["timed"]) == {"fake-fp32", "fake-int8", "baseline again"}
        assert len({len(timed["inference"]) for timed in launch["timed"].values()}) == 1
        assert all(timed["end_to_end"] and timed["cold_start_ns"] for timed in launch["timed"].values())


def test_what_cannot_run_here_is_a_row_that_says_why(tmp_path: Path) -> None:
    run = scripted_run(
        tmp_path,
        fake_fp32={},
        fake_int8={"precision": "fp32"},
        broken_int8=NO_DEVICE,
        never_int8={"missing": "It could not be made.", "status": "unavailable"},
    )
    result = benched(run)
    assert [row.status for row in result.rows] == ["baseline", "unavailable", "unavailable", "unavailable"]
    assert "computes in fp32" in row(result, "fake-int8").reason
    assert row(result, "broken-int8").reason == "No such device."
    assert row(result, "never-int8").reason == "It could not be made."
    assert all(row.latency_p50_ms is row.accuracy is row.speedup is None for row in result.rows[1:])


def test_a_baseline_that_cannot_run_leaves_the_others_without_a_speedup(tmp_path: Path) -> None:
    result = benched(scripted_run(tmp_path, fake_fp32=NO_DEVICE, fake_int8={}))
    assert result.rows[0].status == "unavailable"
    measured = row(result, "fake-int8")
    assert measured.latency_p50_ms == pytest.approx(10.0)
    assert measured.speedup is measured.agreement is None


def test_what_could_not_run_before_and_now_does_is_no_longer_called_unavailable(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={}, late_int8={"status": "unavailable"})
    late = row(benched(run), "late-int8")
    assert (late.status, late.latency_p50_ms) == ("accepted", pytest.approx(10.0))
    assert "edgetl quantize" in late.reason


def test_nothing_that_runs_is_no_result(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32=NO_DEVICE, fake_int8=NO_DEVICE)
    with pytest.raises(MeasureError, match=r"Nothing could be measured here\. No such device\.$") as caught:
        benched(run)
    assert caught.value.exit_code == 3
    assert not (run / BenchResult.FILE).exists()


def test_asking_for_a_gpu_that_is_not_there_never_gives_the_cpu(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={})
    if nvidia_driver() is not None:
        pytest.skip("this machine has an NVIDIA driver")
    result = benched(run, "cuda")
    assert [(row.name, row.status) for row in result.rows] == [
        ("fake-fp32", "baseline"),
        ("cuda-fp32", "unavailable"),
        ("cuda-int8", "unavailable"),
    ]
    assert "NVIDIA" in row(result, "cuda-fp32").reason


def test_a_provider_asked_for_takes_the_targets_candidates_for_it_or_every_file(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={}, openvino_int8={"provider": "openvino"})
    quantized = QuantizeResult.load(run)
    assert [each.name for each in lineup(quantized, ())] == ["fake-fp32", "fake-int8", "openvino-int8"]
    assert [each.name for each in lineup(quantized, ("fake",))] == ["fake-fp32", "fake-int8"]
    assert [each.name for each in lineup(quantized, ("openvino", "openvino"))] == ["fake-fp32", "openvino-int8"]
    elsewhere = lineup(quantized, ("cpu",))[1:]
    assert {each.provider for each in elsewhere} == {"cpu"}
    assert len({each.path for each in elsewhere}) == len(elsewhere) == 3
    # Only the target's own candidates can be its baseline or its choice.
    assert {each.status for each in elsewhere} == {"accepted"}
    with pytest.raises(UsageError, match="Did you mean 'openvino'"):
        lineup(quantized, ("opnvino",))


@pytest.mark.engine
def test_onnx_runtime_runs_where_it_says(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    run = scripted_run(tmp_path, test=4, cpu_fp32={"provider": "cpu"}, cpu_int8={"provider": "cpu"})
    from tests.device import tiny

    models = {"cpu-fp32": tiny.save(run / "a.onnx"), "cpu-int8": tiny.save(run / "b.onnx", quantized=True)}
    replace_models(run, models)
    result = benched(run)
    assert [row.status for row in result.rows] == ["baseline", "chosen"]
    for each in result.rows:
        assert each.engine == "onnxruntime"
        assert set(each.placement or {}) == {"CPUExecutionProvider"}
        assert each.actual_precision == each.precision
        assert each.latency_p50_ms is not None and each.latency_p50_ms > 0
        assert each.end_to_end_p50_ms is not None and each.end_to_end_p50_ms > each.latency_p50_ms
    low, high = result.rows[1].speedup_ci or (0, 0)
    assert 0 < low <= (result.rows[1].speedup or 0) <= high


def test_throughput_is_measured_where_it_is_asked_for(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={"latency_ns": [5 * MS]})
    result = bench(BenchSettings(run, time_budget_s=1.0, throughput=True), Silent())
    for each, per_second in zip(result.rows, (100, 200), strict=True):
        by_batch = {found.batch: found.images_per_s for found in each.throughput if found.streams == 1}
        # A run takes as long whatever its batch.
        assert by_batch == pytest.approx({batch: batch * per_second for batch in (1, 4, 16, 64)})
    assert benched(run).rows[0].throughput == ()


@pytest.mark.engine
def test_what_stays_on_the_device_is_a_figure_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a provider whose device has memory of its own; the CPU with an option that takes effect stands in for one."""
    pytest.importorskip("onnxruntime")
    run = scripted_run(tmp_path, test=4, cpu_fp32={"provider": "cpu"})
    from tests.device import tiny

    replace_models(run, {"cpu-fp32": tiny.save(run / "a.onnx")})
    stays = {providers.ON_DEVICE: {"binding": "device"}}
    monkeypatch.setattr(providers, "settings", lambda provider: stays)
    result = benched(run)
    (on_cpu,) = result.rows
    assert on_cpu.resident_p50_ms is not None and on_cpu.resident_p50_ms > 0
    assert on_cpu.latency_p50_ms is not None
    low, high = on_cpu.resident_p50_ci_ms or (0, 0)
    assert low <= on_cpu.resident_p50_ms <= high
    raw = json.loads((run / result.timings).read_text())
    assert all("cpu-fp32, on the device" in launch["timed"] for launch in raw["launches"])


def test_a_row_says_what_share_of_the_arithmetic_its_provider_does(tmp_path: Path) -> None:
    result = benched(scripted_run(tmp_path, fake_fp32={}, fake_int8={}))
    assert result.rows[0].mac_share == {"FakeExecutionProvider": 1.0}
    # No meter measures a scripted engine.
    assert result.rows[0].energy_mj is result.rows[0].energy_source is None


@pytest.mark.engine
def test_a_meter_of_one_provider_tells_though_another_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU's counter may be root's alone, and a GPU's is everybody's."""
    pytest.importorskip("onnxruntime")
    run = scripted_run(tmp_path, test=4, cpu_fp32={"provider": "cpu"}, fake_int8={})
    from tests.device import tiny

    replace_models(run, {"cpu-fp32": tiny.save(run / "a.onnx"), "fake-int8": run / "fake-int8.json"})
    metered = {"fake": (3.0, "nvml")}
    monkeypatch.setattr("edgetl.measure.bench.millijoules", lambda variant, _: metered.get(variant.provider))
    assert [each.energy_mj for each in benched(run).rows] == [None, 3.0]


def test_a_candidate_that_dies_while_it_is_timed_is_a_row_and_the_others_are_measured(tmp_path: Path) -> None:
    dying = {"fail": {"at": "run", "how": "exit", "after": 60, "message": "No memory."}}
    result = benched(scripted_run(tmp_path, fake_fp32={}, fake_int8={}, dying_int8={**dying, "provider": "fake"}))
    assert [each.status for each in result.rows] == ["baseline", "chosen", "unavailable"]
    assert "No memory." in row(result, "dying-int8").reason
    assert row(result, "fake-int8").speedup == pytest.approx(1.0)
