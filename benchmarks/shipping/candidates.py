"""Bundles of one network in the recipes that differ between processors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgetl import recipes, runs
from edgetl.artifacts import Candidate, QuantizeResult
from edgetl.bundling.stage import BundleSettings, bundle
from edgetl.dataset import Dataset
from edgetl.files import sha256_file
from edgetl.graph import metadata
from edgetl.progress import Silent
from edgetl.quantization.calibration.images import Calibration
from edgetl.quantization.make import Workshop

FP32, RECIPES = "fp32", ("u8s8-equalized", "u8s8-reduced-range", "s8s8-asymmetric")
SAMPLES = 128


def bundles(run: Path, folder: Path, golden: int) -> Mapping[str, Path]:
    """Return a bundle with so many ``golden`` images for fp32 and each recipe, by its name; made once."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {name: folder / f"{name}-{golden}.pyz" for name in (FP32, *RECIPES)}
    if not all(path.is_file() for path in wanted.values()):
        rows = _candidates(run)
        _quantized(run, rows)
        for (name, path), row in zip(wanted.items(), rows, strict=True):
            print(f"{name}: bundle", flush=True)
            bundle(BundleSettings(run, row.name, path, golden=golden), Silent())
    return wanted


def _candidates(run: Path) -> list[Candidate]:
    exported = runs.exported(run)
    model = run / exported.model
    images = Calibration(Dataset.load(run), metadata.read(model).preprocess, SAMPLES, 0)
    workshop = Workshop(model, run / "candidates", images)
    rows = [_row(run, FP32, model)]
    for name in RECIPES:
        made = workshop.make(recipes.load(name))
        if not isinstance(made, Path):
            raise SystemExit(f"{name}: {made.reason}")
        rows.append(_row(run, name, made))
    return rows


def _row(run: Path, name: str, model: Path) -> Candidate:
    precision = FP32 if name == FP32 else "int8"
    return Candidate(
        name=name,
        path=str(model.relative_to(run)),
        sha256=sha256_file(model),
        provider="cpu",
        precision=precision,
        recipe=None if name == FP32 else name,
        size_bytes=model.stat().st_size,
        status="baseline" if name == FP32 else "accepted",
        reason="As asked.",
    )


def _quantized(run: Path, rows: list[Candidate]) -> None:
    exported = runs.exported(run)
    QuantizeResult(
        run=str(run),
        inputs="",
        seconds=0.0,
        target="x86-64-vnni",
        chosen=rows[0].name,
        measured_on="nowhere",
        images=0,
        candidates=tuple(rows),
        timings="",
        parent_sha256=exported.sha256,
    ).save(run)
