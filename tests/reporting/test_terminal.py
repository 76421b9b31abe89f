"""What a person sees: tables that fit, words that carry the meaning without colour."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.text import Text

from edgetl.artifacts import BenchResult, Outcome, QuantizeResult, Row, State
from edgetl.reporting import terminal
from edgetl.reporting.fitting import Column, FittingTable
from tests.reporting.check_result import check_result, latency

ROWS = (
    Row(
        name="cpu-fp32", path="model.onnx", sha256="a", provider="cpu", precision="fp32", size_bytes=8_900_000,
        accuracy=0.94, agreement=1.0, latency_p50_ms=4.7, status="baseline", reason="It stays.",
        engine="onnxruntime", engine_version="1.31.1", actual_precision="fp32", threads=2, latency_p90_ms=5.1,
        cold_start_ms=240.0, end_to_end_p50_ms=8.0, peak_rss_mb=119.0, placement={"CPUExecutionProvider": 103},
    ),
    Row(
        name="openvino-int8-u8s8-percentile", path="candidates/q.onnx", sha256="b", provider="openvino",
        precision="int8", recipe="u8s8-percentile", size_bytes=2_580_000, accuracy=0.938, agreement=0.99,
        latency_p50_ms=1.7, speedup=2.76, speedup_ci=(2.6, 2.9), status="chosen", reason="It is the fastest.",
    ),
    Row(
        name="cuda-fp16", path="candidates/h.onnx", sha256="c", provider="cuda", precision="fp16",
        size_bytes=4_450_000, status="unavailable", reason="There is no NVIDIA driver here.",
    ),
)  # fmt: skip
BENCH = BenchResult(
    run="runs/demo", inputs="", seconds=40.0, target="host", machine={}, images=480, noise_floor=(0.99, 1.01),
    launches=5, state=State(seconds=40.0), rows=ROWS, timings="bench-timings.json",
)  # fmt: skip


def drawn(value: object, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, color_system=None)
    console.print(value)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_every_row_is_one_line_with_its_name_whole_and_nothing_is_wider_than_the_terminal(width: int) -> None:
    lines = drawn(terminal.bench(BENCH), width).splitlines()
    assert max(map(len, lines)) <= width
    for row in ROWS:
        (line,) = [line for line in lines if line.startswith(f"{row.name} ")]
        assert row.status in line


def test_a_wider_terminal_shows_more_and_a_narrow_one_what_decides() -> None:
    narrow, wide = drawn(terminal.bench(BENCH), 80), drawn(terminal.bench(BENCH), 200)
    assert "p50 ms" in narrow
    assert "2.76x" in narrow
    assert "cold start" not in narrow
    for heading in ("p90 ms", "end-to-end", "cold start", "RSS MB", "runs on", "engine"):
        assert heading in wide
    assert "CPU 103 fp32" in wide


def test_an_accuracy_on_fewer_images_than_the_others_says_so() -> None:
    rows = tuple(row.model_copy(update={"images": count}) for row, count in zip(ROWS, (480, 64, None), strict=True))
    chosen = QuantizeResult(
        run="runs/demo", inputs="", seconds=40.0, target="host", chosen=ROWS[1].name, measured_on="a CPU", images=480,
        candidates=rows, timings="quantize-timings.json", parent_sha256="p",
    )  # fmt: skip
    text = drawn(terminal.quantize(chosen), 120)
    assert "93.8 (64)" in text and "94.0 (" not in text
    assert "on the 480 images that choose, or on the number in parentheses" in text
    alike = chosen.model_copy(update={"candidates": ROWS})
    assert "parentheses" not in drawn(terminal.quantize(alike), 120) and "(64)" not in drawn(terminal.bench(BENCH), 120)


def test_a_speedup_that_is_not_the_quotient_of_the_medians_is_explained() -> None:
    told = "the p50 of each also holds what disturbed the machine"
    disturbed = ROWS[1].model_copy(update={"latency_p50_ms": 3.0})
    assert told not in drawn(terminal.bench(BENCH), 120)
    assert told in drawn(terminal.bench(BENCH.model_copy(update={"rows": (ROWS[0], disturbed)})), 120)


def test_an_unavailable_provider_says_why_and_has_no_figures() -> None:
    text = drawn(terminal.bench(BENCH), 120)
    assert "cuda-fp16: There is no NVIDIA driver here." in text
    (row,) = [line for line in text.splitlines() if line.startswith("cuda-fp16 ")]
    assert "x" not in row.replace("cuda-fp16", "")


def test_columns_that_do_not_fit_are_left_out_by_rank_and_keep_their_order() -> None:
    cells = [Text("x" * 10)]
    table = FittingTable([Column("a", cells), Column("b", cells, 2), Column("c", cells, 1)])
    assert [column.heading for column in table.shown(36)] == ["a", "b", "c"]
    assert [column.heading for column in table.shown(30)] == ["a", "c"]
    assert [column.heading for column in table.shown(5)] == ["a"]


@pytest.mark.parametrize("verdict", ["pass", "fail", "inconclusive"])
def test_the_verdict_is_a_word(verdict: Outcome) -> None:
    result = check_result(latency(verdict, reason="Because."))
    text = drawn(terminal.check(result), 80)
    assert f"{verdict.upper()} Because." in text
    assert "at most 1.050" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_wide_terminal_shows_both_sides_of_every_budget() -> None:
    text = drawn(terminal.check(check_result()), 160)
    for part in ("4.20 ms", "2.18 ms", "0.500 to 0.540", "94.0 %", "95% interval", "McNemar", "9 launches"):
        assert part in text


def test_names_cannot_speak_for_the_program() -> None:
    text = drawn(terminal.check(check_result(candidate="int8\n::error::gone")), 120)
    assert not [line for line in text.splitlines() if line.startswith("::")]


def test_a_table_without_rows_is_its_headings() -> None:
    assert drawn(FittingTable([Column("a", []), Column("b", [])]), 40).split() == ["a", "b"]
