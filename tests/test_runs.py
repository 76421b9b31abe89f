"""The run folder: which run a command takes, and artifacts that no longer belong together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgetl import runs
from edgetl.artifacts import ExportResult, FinetuneResult
from edgetl.errors import RunError
from edgetl.files import sha256_file


def finetuned(folder: Path, content: bytes = b"weights") -> FinetuneResult:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classifier.safetensors").write_bytes(content)
    result = FinetuneResult(
        run=str(folder), inputs="i", seconds=1.0, arch="mobilenet_v2", weights="none", weights_sha256="",
        classes=("a", "b"), strategy="probe", head="linear", seed=0, train_images=4, val_images=2, skipped_images=0,
        train_accuracy=1.0, val_accuracy=0.5, val_accuracy_ci=(0.1, 0.9), classifier="classifier.safetensors",
        sha256=sha256_file(folder / "classifier.safetensors"), preprocess={}, data="data.json", data_sha256="d",
        phases={},
    )  # fmt: skip
    result.save(folder)
    return result


def exported(folder: Path, parent: str) -> ExportResult:
    (folder / "model.onnx").write_bytes(b"onnx")
    result = ExportResult(
        run=str(folder), inputs="i", seconds=1.0, model="model.onnx", sha256=sha256_file(folder / "model.onnx"),
        size_bytes=4, opset=20, max_abs_diff=0.0, tolerance=1e-4, parent_sha256=parent,
    )  # fmt: skip
    result.save(folder)
    return result


def test_the_last_run_is_the_default_of_the_next_command() -> None:
    for name in ("first", "second"):
        (runs.RUNS / name).mkdir(parents=True)
        runs.remember(runs.RUNS / name)
        assert runs.resolve(None) == runs.RUNS / name
    assert runs.resolve(Path("first")) == runs.RUNS / "first"
    assert sorted(path.name for path in runs.RUNS.iterdir()) == ["first", "latest", "second"]


def test_a_run_elsewhere_can_be_the_last_one(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    runs.remember(folder)
    assert runs.resolve(None).resolve() == folder


def test_no_run_and_an_unknown_run_say_what_to_do() -> None:
    with pytest.raises(RunError, match="edgetl run --data FOLDER"):
        runs.resolve(None)
    (runs.RUNS / "hymenoptera-resnet18").mkdir(parents=True)
    with pytest.raises(RunError, match="hymenoptera-resnet18"):
        runs.resolve(Path("hymenoptera-resnet"))


def test_artifacts_come_back_as_they_were_stored(tmp_path: Path) -> None:
    stored = finetuned(tmp_path)
    assert runs.finetuned(tmp_path) == stored


def test_a_model_of_an_older_classifier_is_refused(tmp_path: Path) -> None:
    exported(tmp_path, finetuned(tmp_path).sha256)
    assert runs.exported(tmp_path).size_bytes == 4
    finetuned(tmp_path, b"other weights")
    with pytest.raises(RunError, match="older classifier"):
        runs.exported(tmp_path)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    finetuned(tmp_path)
    (tmp_path / "classifier.safetensors").write_bytes(b"tampered")
    with pytest.raises(RunError, match="changed after it was written"):
        runs.finetuned(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"schema_version": 99}, "Upgrade edgetl"),
        ({"seconds": "long"}, "damaged at 'seconds'"),
        ({"surprise": 1}, "damaged at 'surprise'"),
    ],
)
def test_newer_and_damaged_artifacts_are_refused(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    finetuned(tmp_path)
    path = tmp_path / FinetuneResult.FILE
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(RunError, match=sentence):
        FinetuneResult.load(tmp_path)


def test_a_truncated_artifact_is_refused(tmp_path: Path) -> None:
    finetuned(tmp_path)
    path = tmp_path / FinetuneResult.FILE
    path.write_text(path.read_text(encoding="utf-8")[:50], encoding="utf-8")
    with pytest.raises(RunError, match="not an edgetl artifact"):
        FinetuneResult.load(tmp_path)
