"""`edgetl history`: the trend of stored results, machines apart, and what cannot be read said."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from edgetl.artifacts import BenchResult, CheckResult, Latency, Row
from edgetl.reporting.history import SHOWN, sparkline
from tests.cli.hostile import invoke
from tests.reporting.check_result import MACHINE, QUIET, check_result, drop, latency


def store(folder: str, result: CheckResult | BenchResult) -> Path:
    Path(folder).mkdir(parents=True, exist_ok=True)
    result.save(Path(folder))
    return Path(folder) / result.FILE


def check_of(day: int, ratio: float, **changes: Any) -> CheckResult:
    measured = Latency(ratio=ratio, ci=(ratio - 0.1, ratio + 0.1), budget=1.05)
    return check_result(**({"created": f"2026-11-{day:02}T12:00:00+00:00", "latency": measured} | changes))


def row(name: str, **changes: Any) -> Row:
    values = {
        "name": name, "path": "m.onnx", "sha256": "a", "provider": "cpu", "precision": "fp32", "size_bytes": 10,
        "status": "accepted", "reason": "",
    }  # fmt: skip
    return Row.model_validate(values | changes)


def bench_of(*rows: Row, day: int = 1) -> BenchResult:
    return BenchResult(
        run="runs/demo", inputs="", seconds=40.0, created=f"2026-11-{day:02}T12:00:00+00:00", target="host",
        machine=MACHINE, state=QUIET, images=480, launches=6, noise_floor=(0.99, 1.01), rows=rows, timings="t.json",
    )  # fmt: skip


def told(folder: str = "results") -> Any:
    said = invoke("history", folder, "--json")
    assert said.code == 0, said.err
    return said.json


def test_results_at_any_depth_are_one_series_by_time() -> None:
    store("results/z/deep/er", check_of(1, 0.8))
    store("results/a", check_of(3, 1.2, verdict="fail"))
    store("results/m", check_of(2, 1.0))
    (series,) = told()["series"]
    assert (series["candidate"], series["baseline"], series["target"]) == ("cpu-int8", "cpu-fp32", "host")
    assert [point["path"] for point in series["points"]] == ["z/deep/er/check.json", "m/check.json", "a/check.json"]
    last = series["points"][-1]
    assert last["created"] == "2026-11-03T12:00:00Z"
    assert (last["verdict"], last["latency_ratio"]) == ("fail", 1.2)
    assert last["latency_ci"] == pytest.approx([1.1, 1.3])
    assert (last["top1_drop"], last["drop_ci"]) == (0.0042, [-0.003, 0.012])


@pytest.mark.parametrize(
    "other",
    [
        {"cpu": "Another CPU"},
        {"cpu_features": ["avx2", "avx512_vnni"]},
        {"cores_allowed": 4},
        {"engines": {"onnxruntime": "1.31.0"}},
        {"board": "Raspberry Pi 5"},
        {"gpus": ["NVIDIA L4"]},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_another_machine_measured_is_another_series(other: dict[str, Any]) -> None:
    store("results/here", check_of(1, 0.8))
    store("results/there", check_of(2, 0.4, machine=MACHINE | other))
    value = told()
    assert len(value["machines"]) == 2
    assert {series["machine"] for series in value["series"]} == {machine["id"] for machine in value["machines"]}
    Path("results").rename("runs")
    said = invoke("history")
    assert "Results of 2 machines" in said.out
    assert all(machine["id"] in said.out for machine in value["machines"])
    lines = [line.partition(": ")[2] for line in said.out.splitlines() if line.startswith("machine ")]
    assert len(set(lines)) == 2, "what they differ by is shown"


def test_what_else_a_machine_says_of_itself_makes_no_other_machine() -> None:
    store("results/1", check_of(1, 0.8, machine=MACHINE | {"governor": "powersave", "kernel": "6.1"}))
    store("results/2", check_of(2, 0.9, machine=MACHINE | {"governor": "performance", "kernel": "6.2"}))
    (series,) = told()["series"]
    assert len(series["points"]) == 2


def test_another_run_is_another_series() -> None:
    store("results/1", check_of(1, 0.8))
    store("results/2", check_of(2, 1.0, run="runs/other"))
    assert [series["run"] for series in told()["series"]] == ["runs/demo", "runs/other"]
    said = invoke("history", "results").out
    assert "cpu-int8 against cpu-fp32, runs/demo, host" in said
    assert "cpu-int8 against cpu-fp32, runs/other, host" in said


def test_a_target_file_is_the_same_wherever_it_lies() -> None:
    store("results/1", check_of(1, 0.8, target="/builds/1/pi.toml"))
    store("results/2", check_of(2, 1.0, target="/builds/2/pi.toml"))
    (series,) = told()["series"]
    assert (series["target"], len(series["points"])) == ("pi.toml", 2)


def test_intervals_are_headed_by_what_they_hold_at() -> None:
    store("results/1", check_of(1, 0.8, confidence=0.9))
    assert told()["series"][0]["points"][0]["confidence"] == 0.9
    assert invoke("history", "results").out.splitlines()[1].count(" 90 % ") == 2
    store("results/2", bench_of(row("cpu-fp32"), row("cpu-int8", speedup=2.0, speedup_ci=(1.6, 2.5)), day=2))
    assert "90 % or 95 %" in invoke("history", "results").out


def test_another_baseline_is_another_series() -> None:
    store("results/1", check_of(1, 0.8))
    store("results/2", check_of(2, 1.0, baseline="released.onnx"))
    assert [series["baseline"] for series in told()["series"]] == ["cpu-fp32", "released.onnx"]


def test_a_benchmark_is_a_point_of_each_candidate_that_ran() -> None:
    rows = (
        row("cpu-fp32", accuracy=0.94, status="baseline"),
        row("cpu-int8", accuracy=0.93, speedup=2.0, speedup_ci=(1.6, 2.5)),
        row("cuda-fp16", status="unavailable"),
    )
    store("results", bench_of(*rows))
    (series,) = told()["series"]
    (point,) = series["points"]
    assert (series["candidate"], series["baseline"]) == ("cpu-int8", "cpu-fp32")
    assert (point["latency_ratio"], point["latency_ci"], point["verdict"]) == (0.5, [0.4, 0.625], None)
    assert point["top1_drop"] == pytest.approx(0.01)


def test_a_result_without_a_time_counts_by_its_files_and_that_is_said() -> None:
    path = store("results/old", check_of(1, 0.8))
    data = json.loads(path.read_text(encoding="utf-8"))
    del data["created"]
    path.write_text(json.dumps(data), encoding="utf-8")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    store("results/new", check_of(2, 0.9))
    value = told()
    assert [point["path"] for point in value["series"][0]["points"]] == ["old/check.json", "new/check.json"]
    assert value["series"][0]["points"][0]["created"] == "2023-11-14T22:13:20Z"
    assert "1 result says no time" in " ".join(value["remarks"])
    assert "1 result says no time" in invoke("history", "results", "--json").err


def test_what_cannot_be_read_is_skipped_with_a_remark_and_other_files_without() -> None:
    store("results/good", check_of(1, 0.8))
    for name, text in (("newer", '{"schema_version": 999}'), ("broken", "{"), ("foreign", '["not", "ours"]')):
        Path("results", name).mkdir()
        Path("results", name, "check.json").write_text(text, encoding="utf-8")
    Path("results/good/notes.json").write_text("{", encoding="utf-8")
    remarks = told()["remarks"]
    assert len(remarks) == 3
    for name in ("newer", "broken", "foreign"):
        assert any(f"results/{name}/check.json" in remark for remark in remarks)


def test_the_last_run_counts_once() -> None:
    store("runs/demo", check_of(1, 0.8))
    Path("runs/latest").symlink_to("demo")
    (series,) = told("runs")["series"]
    assert len(series["points"]) == 1


@pytest.mark.parametrize("make", [lambda: None, lambda: Path("results").mkdir()])
def test_nothing_to_show_is_a_sentence(make: Any) -> None:
    make()
    said = invoke("history", "results")
    assert (said.code, said.out) == (2, "")
    assert "results" in said.error


def test_a_person_sees_figures_intervals_and_the_trend() -> None:
    store("results/1", check_of(1, 0.5))
    store("results/2", check_of(2, 1.2, verdict="fail"))
    said = invoke("history", "results").out
    assert "cpu-int8 against cpu-fp32, host  ▁█" in said
    (line,) = [line for line in said.splitlines() if "fail" in line]
    assert "2026-11-02 12:00" in line
    assert "1.200" in line
    assert "[1.100, 1.300]" in line
    assert "0.42" in line
    assert "machines" not in said


def test_a_baseline_against_itself_lost_exactly_nothing() -> None:
    store("results/1", check_of(1, 1.0, candidate="cpu-fp32"))
    assert "  exact " in invoke("history", "results").out


def test_a_long_series_shows_its_newest_and_says_what_is_left_out() -> None:
    for day in range(1, SHOWN + 6):
        store(f"results/{day}", check_of(day, 0.5 + 0.01 * day))
    said = invoke("history", "results").out
    assert "and 5 older" in said
    assert "2026-11-05 12:00" not in said
    assert f"2026-11-{SHOWN + 5} 12:00" in said


def test_a_failing_check_keeps_its_verdict() -> None:
    store("results", check_result(latency(), drop("fail"), created="2026-11-01T12:00:00+00:00"))
    assert told()["series"][0]["points"][0]["verdict"] == "fail"


def test_no_name_of_a_stored_result_begins_a_line() -> None:
    store("results", check_of(1, 0.8, candidate="x\n::error::forged", baseline="y\r\n::error::forged"))
    assert not [line for line in invoke("history", "results").out.splitlines() if line.strip().startswith("::")]


def test_a_sparkline_is_a_block_a_value() -> None:
    assert sparkline([1.0, 2.0, None, 8.0]) == "▁▂ █"
    assert sparkline([0.7, 0.7]) == "▁▁"
    assert sparkline([None]) == sparkline([]) == ""
