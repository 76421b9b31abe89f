"""A run with everything that a report shows, made up in no time: photos are drawn, figures are invented."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from edgetl.artifacts import (
    BenchResult,
    Candidate,
    ExportResult,
    FinetuneResult,
    Interval,
    QuantizeResult,
    Row,
    State,
    Status,
)
from edgetl.dataset import Dataset, scan
from edgetl.evaluation import Lineage, evaluate
from edgetl.files import sha256_file
from edgetl.gate.evidence import BASELINE, CANDIDATE, TWIN
from edgetl.measure import record
from edgetl.measure.launches import Launch, Timed
from edgetl.training.descent.metrics import EpochMetrics
from tests.reporting.check_result import MACHINE, QUIET, check_result, flip, of_class

# As a folder may be called; a slash is what it cannot have.
HOSTILE = "<script>alert(1)"
CLASSES = (HOSTILE, 'dent & "scratch"', "good")
BASE, CHOSEN = "cpu-fp32", "cpu-int8"


def full_run(root: Path) -> Path:
    """Return the folder of a run below ``root`` that all stages have left their results in."""
    run = root / "run"
    run.mkdir(parents=True)
    dataset = scan(_drawn(root / "photos"))
    dataset.save(run)
    common = {"run": str(run), "inputs": "", "seconds": 1.5}
    for name in ("classifier.safetensors", "model.onnx", "int8.onnx"):
        (run / name).write_bytes(name.encode())
    _finetune(run, dataset, common)
    _evaluation(run, dataset)
    model = sha256_file(run / "model.onnx")
    ExportResult(
        **common, model="model.onnx", sha256=model, size_bytes=9_000_000, opset=20, max_abs_diff=1e-6, tolerance=1e-3,
        parent_sha256=sha256_file(run / "classifier.safetensors"),
    ).save(run)  # fmt: skip
    rows = _rows(run)
    QuantizeResult(
        **common, target="host", chosen=CHOSEN, measured_on="Test CPU", images=60,
        candidates=tuple(Candidate(**row.model_dump(include=set(Candidate.model_fields))) for row in rows),
        timings="quantize-timings.json", parent_sha256=model,
    ).save(run)  # fmt: skip
    _timings(run / "bench-timings.json", {BASE: 8.0, TWIN: 8.0, CHOSEN: 2.0})
    BenchResult(
        **common, target="host", machine=MACHINE, state=QUIET, images=60, launches=4, noise_floor=(0.99, 1.01),
        rows=rows, timings="bench-timings.json",
    ).save(run)  # fmt: skip
    _timings(run / "check-timings.json", {BASELINE: 4.0, TWIN: 4.0, CANDIDATE: 2.0})
    gone = flip(path="val/good/gone.png", label="good", baseline="good", candidate=HOSTILE)
    seen = flip(path=dataset.val[0].path, label=HOSTILE, baseline=HOSTILE, candidate="good")
    check = check_result(
        flips=(seen, gone), classes=tuple(of_class(name, 0.02) for name in CLASSES), run=str(run), target="host"
    )
    check.model_copy(update={"created": QuantizeResult.load(run).created}).save(run)
    return run


def _drawn(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for split, count in {"train": 3, "val": 3, "test": 2}.items():
        for name in CLASSES:
            (root / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{index}.png")
    return root


def _finetune(run: Path, dataset: Dataset, common: dict[str, object]) -> None:
    FinetuneResult.model_validate(
        common | {
            "arch": "mobilenet_v2", "weights": "embedded", "weights_sha256": "ab" * 32, "classes": dataset.classes,
            "strategy": "finetune", "head": "linear", "seed": 0, "train_images": 9, "val_images": 9,
            "skipped_images": 0, "train_accuracy": 1.0, "val_accuracy": 0.9, "val_accuracy_ci": (0.8, 0.95),
            "classifier": "classifier.safetensors", "sha256": sha256_file(run / "classifier.safetensors"),
            "preprocess": {}, "data": "data.json", "data_sha256": dataset.sha256, "phases": {},
        }
    ).save(run)  # fmt: skip
    epochs = (
        EpochMetrics(epoch, 1 / epoch if epoch else None, 1 / (epoch + 1), 0.5 + epoch / 10, {}, 2.0, 50.0)
        for epoch in range(4)
    )
    (run / "training").mkdir()
    lines = [json.dumps(asdict(each)) for each in epochs]
    (run / "training" / "metrics.jsonl").write_text("\n".join([*lines, '{"epoch": 4, "half']), encoding="utf-8")


def _evaluation(run: Path, dataset: Dataset) -> None:
    labels = dataset.labels(dataset.val)
    said = [*labels[:-1], 0]
    logits = 3 * np.eye(3)[said]
    paths = [image.path for image in dataset.val]
    lineage = Lineage(str(run), "", sha256_file(run / "classifier.safetensors"))
    evaluate(logits, labels, dataset.classes, paths, split="val", lineage=lineage).save(run)


def _rows(run: Path) -> tuple[Row, ...]:
    def row(
        name: str, status: Status, top1: float | None, ms: float | None, ci: Interval | None = None, file: str = ""
    ) -> Row:
        return Row(
            name=name, path=file, sha256=sha256_file(run / file) if file else "", provider=name.split("-")[0],
            precision=name.split("-")[1], size_bytes=9_000_000 if file == "model.onnx" else 2_500_000, status=status,
            reason=f"It is {status}.", accuracy=top1, agreement=top1, latency_p50_ms=ms, latency_p50_ci_ms=ci,
            engine="onnxruntime" if ms else None, engine_version="1.30.0" if ms else None,
            actual_precision=name.split("-")[1] if ms else None, threads=2 if ms else None,
            placement={"CPUExecutionProvider": 100} if ms else None,
            mac_share={"CPUExecutionProvider": 1.0} if ms else None,
        )  # fmt: skip

    return (
        row(BASE, "baseline", 0.94, 4.2, (4.1, 4.3), "model.onnx"),
        row(CHOSEN, "chosen", 0.936, 2.1, (2.0, 2.2), "int8.onnx"),
        row("openvino-bf16", "accepted", 0.93, 2.6, (2.5, 2.7)),
        row("cpu-int8-rough", "rejected", 0.7, 1.9),
        row("cuda-fp16", "unavailable", None, None),
    )


def _timings(path: Path, ms: Mapping[str, float]) -> None:
    rng = np.random.default_rng(0)

    def timed(fastest: float) -> Timed:
        blocks = (1e6 * fastest * (1 + rng.exponential(0.05, (6, 10)))).astype(int)
        runs = tuple(tuple(int(run) for run in block) for block in blocks)
        return Timed(10**9, 10**8, runs, (), 10**8)

    launches = [Launch({name: timed(each) for name, each in ms.items()}, State(seconds=1.0)) for _ in range(4)]
    record.save(path, launches)
