"""A run whose model files are scripts for the `fake` provider: every latency and every answer is known beforehand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgetl.artifacts import Candidate, ExportResult, FinetuneResult, QuantizeResult
from edgetl.dataset import scan
from edgetl.device.values import Preprocess, to_json
from edgetl.files import sha256_file

LEVELS = {"dark": 30, "middle": 120, "bright": 210}
# The scripts answer by brightness, darkest first, and classes stand in alphabetical order: a digit makes them agree.
ROW_OF = {"dark": 0, "middle": 1, "bright": 2}
PREPROCESS = Preprocess(resize=8, crop=8)
MS = 1_000_000


def draw(root: Path, counts: Mapping[str, int]) -> Path:
    """Draw ``counts[split]`` images of each class, all different; their brightness is their class."""
    rng = np.random.default_rng(0)
    for split, count in counts.items():
        for name, level in LEVELS.items():
            for index in range(count):
                path = root / split / f"{ROW_OF[name]}-{name}" / f"{index:03d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(level, level + 12, (8, 8, 3), dtype=np.uint8)).save(path)
    return root


def script(path: Path, **keys: Any) -> Path:
    """Write a model of the `fake` provider that is always right and takes 10 ms."""
    path.write_text(json.dumps({"classes": 3, "logits": {"by": "brightness"}, "latency_ns": [10 * MS], **keys}))
    return path


def scripted_run(root: Path, test: int = 70, **candidates: Mapping[str, Any]) -> Path:
    """Return a run with ``test`` judging images a class; ``candidates`` maps a name to its script.

    The first is the baseline, the second the chosen one, unless ``status`` says otherwise. ``provider`` is the
    candidate's, ``options`` its session's; with ``missing``, a reason, it has no file.
    """
    run = root / "run"
    run.mkdir()
    dataset = scan(draw(root / "photos", {"train": 2, "val": 2, "test": test}))
    dataset.save(run)
    rows = [
        _row(run, index, name.replace("_", "-"), dict(keys)) for index, (name, keys) in enumerate(candidates.items())
    ]
    head = run / "classifier.safetensors"
    head.write_bytes(b"not read")
    common: dict[str, Any] = {"run": str(run), "inputs": "", "seconds": 0.0}
    FinetuneResult(
        **common,
        arch="mobilenet_v2",
        weights="none",
        weights_sha256="",
        classes=dataset.classes,
        strategy="probe",
        head="linear",
        seed=0,
        train_images=6,
        val_images=6,
        skipped_images=0,
        train_accuracy=1.0,
        val_accuracy=1.0,
        val_accuracy_ci=(0.5, 1.0),
        classifier=head.name,
        sha256=sha256_file(head),
        preprocess=to_json(PREPROCESS),
        data=str(root / "photos"),
        data_sha256=dataset.sha256,
        phases={},
    ).save(run)
    ExportResult(
        **common,
        model=rows[0].path,
        sha256=rows[0].sha256,
        size_bytes=rows[0].size_bytes,
        opset=20,
        max_abs_diff=0.0,
        tolerance=1e-3,
        parent_sha256=sha256_file(head),
    ).save(run)
    QuantizeResult(
        **common,
        target="x86-64",
        chosen=next((row.name for row in rows if row.status == "chosen"), rows[0].name),
        measured_on="a script",
        images=6,
        candidates=tuple(rows),
        timings="quantize-timings.json",
        parent_sha256=rows[0].sha256,
    ).save(run)
    return run


def _row(run: Path, index: int, name: str, keys: dict[str, Any]) -> Candidate:
    status = keys.pop("status", ("baseline", "chosen", "accepted")[min(index, 2)])
    provider, missing, options = keys.pop("provider", "fake"), keys.pop("missing", None), keys.pop("options", {})
    precision = "fp32" if name.endswith("fp32") else "int8"
    path = None if missing else script(run / f"{name}.json", **keys)
    return Candidate(
        name=name,
        path=path.name if path else "",
        sha256=sha256_file(path) if path else "",
        provider=provider,
        precision=precision,
        options=options,
        size_bytes=path.stat().st_size if path else 0,
        status=status,
        reason=missing or "As scripted.",
    )


def replace_models(run: Path, models: Mapping[str, Path]) -> None:
    """Give the candidates of ``run`` other model files, each inside the run's folder."""
    quantized = QuantizeResult.load(run)
    rows = tuple(
        row.model_copy(update={"path": models[row.name].name, "sha256": sha256_file(models[row.name])})
        for row in quantized.candidates
    )
    first = {"model": rows[0].path, "sha256": rows[0].sha256}
    ExportResult.load(run).model_copy(update=first).save(run)
    quantized.model_copy(update={"candidates": rows, "parent_sha256": rows[0].sha256}).save(run)
