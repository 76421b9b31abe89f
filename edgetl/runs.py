"""The run folder: where a run lives, which one is the last, and whether its artifacts still belong together.

::

    runs/
    ├── latest -> demo-mobilenet_v2       the run that the next command takes
    └── demo-mobilenet_v2/
        ├── finetune.json  data.json  classifier.safetensors
        ├── export.json    model.onnx
        ├── quantize.json  candidates/*.onnx
        ├── bench.json     bench-timings.json
        └── check.json     check-timings.json
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from pathlib import Path
from typing import Any

from edgetl import defaults
from edgetl.artifacts import ExportResult, FinetuneResult, QuantizeResult
from edgetl.device.values import Preprocess
from edgetl.errors import RunError, UsageError, nearest
from edgetl.files import sha256_file

RUNS = Path(defaults.RUNS)
LATEST = "latest"


def default_folder(data: Path | None, arch: str) -> Path:
    """Return ``runs/<data>-<arch>``: the same input gives the same folder, so unchanged stages can be skipped."""
    source = data.resolve().stem if data else "demo"
    name = re.sub(r"[^\w.-]+", "-", source)
    return RUNS / f"{name}-{arch}"


def resolve(run: Path | None) -> Path:
    """Return the folder of a run: a path, a name under ``runs/``, or the last one; raises RunError."""
    if run is None:
        latest = RUNS / LATEST
        if not latest.is_dir():
            raise RunError("There is no run here yet. Start with `edgetl run --data FOLDER`, or name one with --run.")
        return RUNS / latest.readlink() if latest.is_symlink() else latest
    for folder in (run, RUNS / run):
        if folder.is_dir():
            return folder
    here = ", ".join(name for name in names() if name != LATEST)
    raise RunError(f"There is no run '{run}'.{nearest(str(run), names())}" + (f" Runs here: {here}." if here else ""))


def names() -> list[str]:
    """Return the names of the runs under ``runs/``, sorted."""
    return sorted(path.name for path in RUNS.glob("*/") if not path.name.startswith("."))


def remember(folder: Path) -> None:
    """Make ``folder`` the last run, atomically; a run outside ``runs/`` is linked by its full path."""
    RUNS.mkdir(exist_ok=True)
    inside = folder.resolve().parent == RUNS.resolve()
    with tempfile.TemporaryDirectory(prefix=".latest-", dir=RUNS) as scratch:
        link = Path(scratch) / LATEST
        link.symlink_to(folder.name if inside else folder.resolve())
        link.replace(RUNS / LATEST)


def digest(*parts: Any) -> str:
    """Return the SHA-256 of JSON-able ``parts``: the ``inputs`` of an artifact."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def finetuned(folder: Path) -> FinetuneResult:
    """Return a run's trained classifier, its file checked by SHA-256; raises RunError."""
    result = FinetuneResult.load(folder)
    _verify(folder / result.classifier, result.sha256, "finetune")
    return result


def exported(folder: Path) -> ExportResult:
    """Return a run's fp32 model, if it was exported from the classifier that is there now; raises RunError."""
    result = ExportResult.load(folder)
    _verify(folder / result.model, result.sha256, "export")
    if (folder / FinetuneResult.FILE).is_file() and finetuned(folder).sha256 != result.parent_sha256:
        raise RunError(f"{folder / result.model} was exported from an older classifier. Run `edgetl export` again.")
    return result


def quantized(folder: Path) -> QuantizeResult:
    """Return a run's candidates, if they were made from the model that is there now; raises RunError."""
    result = QuantizeResult.load(folder)
    if exported(folder).sha256 != result.parent_sha256:
        raise RunError(f"The candidates in {folder} belong to an older model. Run `edgetl quantize` again.")
    for candidate in result.candidates:
        if candidate.path:
            _verify(folder / candidate.path, candidate.sha256, "quantize")
    return result


def preprocess_of(folder: Path) -> Preprocess:
    """Return how images become the input of a run's models.

    It is what the training says, for which no model file is opened: onnx need not be here. A run of an adopted model
    has it in the model only. Raises RunError and UsageError.
    """
    if (folder / FinetuneResult.FILE).is_file():
        return Preprocess.from_json(finetuned(folder).preprocess)
    try:
        from edgetl.graph import metadata
    except ImportError:
        raise UsageError("Reading an adopted model needs onnx. Run: pip install 'edgetl[train]'") from None
    return metadata.read(folder / exported(folder).model).preprocess


def _verify(path: Path, sha256: str, stage: str) -> None:
    if not path.is_file():
        raise RunError(f"{path} is missing. Run `edgetl {stage}` again.")
    if sha256_file(path) != sha256:
        raise RunError(f"{path} was changed after it was written (its SHA-256 differs). Run `edgetl {stage}` again.")
