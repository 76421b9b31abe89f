"""What is gathered from a run's folder, and what a folder with less, or with changed files, gives."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgetl.artifacts import CheckResult, ExportResult
from edgetl.errors import RunError
from edgetl.gather import gather
from edgetl.measure import record
from edgetl.progress import Silent
from tests.reporting.check_result import check_result
from tests.reporting.made_up_run import BASE, full_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return full_run(tmp_path)


def test_raw_timings_become_percentiles_over_launches(run: Path) -> None:
    found = gather(run, Silent())
    before, after = found.timed
    assert found.timed_by == "check"
    assert (before.role, before.name, after.role) == ("baseline", BASE, "candidate")
    assert len(before.runs_ms) == 240
    assert 1.9 < before.p50.value / after.p50.value < 2.1
    assert before.p50.low < before.p50.value < before.p50.high
    assert before.p90 is not None
    assert before.p90.value > before.p50.value
    assert before.p99 is None, "60 runs in a launch do not support it"


def test_without_a_verdict_the_benchmark_tells_the_latencies(run: Path) -> None:
    (run / "check-timings.json").unlink()
    assert gather(run, Silent()).timed_by == "bench"
    (run / CheckResult.FILE).unlink()
    found = gather(run, Silent())
    assert found.timed_by == "bench"
    before, after = found.timed
    assert (before.name, after.name) == (BASE, "cpu-int8")
    assert 3.8 < before.p50.value / after.p50.value < 4.2, "those of the benchmark"


def test_launches_are_read_as_they_were_written(run: Path) -> None:
    launches = record.load(run / "check-timings.json")
    record.save(run / "again.json", launches)
    assert (run / "again.json").read_text() == (run / "check-timings.json").read_text()
    (run / "check-timings.json").write_text('{"schema_version": 99, "launches": []}')
    with pytest.raises(RunError, match="newer edgetl"):
        gather(run, Silent())
    (run / "check-timings.json").write_text("[")
    with pytest.raises(RunError, match="damaged"):
        gather(run, Silent())


def test_an_image_that_cannot_be_shown_says_why(run: Path) -> None:
    found = gather(run, Silent())
    (mistake,) = found.evaluation.mistakes if found.evaluation else ()
    assert found.dataset is not None
    shown, photos = found.dataset.val[0].path, Path(found.dataset.root)
    assert (found.photos[shown].jpeg or b"").startswith(b"\xff\xd8")
    assert found.photos["val/good/gone.png"].missing == "It is none of the run's images."
    shutil.copy(photos / shown, photos / mistake.path)
    (photos / shown).unlink()
    found = gather(run, Silent())
    assert found.photos[shown].missing == "The file is gone."
    assert found.photos[mistake.path].missing == "The file was changed since."


def test_the_chain_tells_what_is_no_longer_what_was_measured(run: Path) -> None:
    assert [link.state for link in gather(run, Silent()).chain] == ["unchanged"] * 3
    (run / "int8.onnx").write_bytes(b"another")
    (run / "classifier.safetensors").unlink()
    assert [link.state for link in gather(run, Silent()).chain] == ["missing", "unchanged", "changed"]


def test_half_written_epochs_are_dropped(run: Path) -> None:
    (curve,) = gather(run, Silent()).curves
    assert [each.epoch for each in curve.epochs] == [0, 1, 2, 3]


def test_a_large_model_is_not_explained_within_a_report(run: Path) -> None:
    ExportResult.load(run).model_copy(update={"size_bytes": 10**9}).save(run)
    found = gather(run, Silent())
    assert found.explanation is None
    assert "edgetl quantize --explain" in found.unexplained


def test_a_folder_with_a_verdict_alone_is_enough_and_one_without_any_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has no result to report"):
        gather(tmp_path, Silent())
    check_result().save(tmp_path)
    found = gather(tmp_path, Silent())
    assert found.check is not None
    assert (found.finetune, found.timed, found.chain) == (None, (), ())
