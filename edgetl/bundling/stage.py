"""The stage: everything that belongs to a run's chosen candidate, in one file that proves itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgetl import __version__, runs, targets
from edgetl.artifacts import (
    BenchResult,
    Candidate,
    CheckResult,
    ExportResult,
    FinetuneResult,
    QuantizeResult,
)
from edgetl.bundling import golden, ir, program, sign
from edgetl.bundling.card import card
from edgetl.dataset import Dataset
from edgetl.defaults import GOLDEN
from edgetl.delivery import BundleResult
from edgetl.device.bundle import archive
from edgetl.device.bundle.manifest import Limits, Machine, Manifest
from edgetl.device.bundle.opened import MANIFEST, MODELS, SIGNATURE, SUMS, sums_text
from edgetl.device.values import SessionSpec
from edgetl.environments.local import local_command
from edgetl.errors import RunError, UsageError, nearest
from edgetl.files import replacing, sha256_file
from edgetl.progress import Progress
from edgetl.targets import Target

SUFFIX = ".pyz"
STEP = "make bundle"
# How the model came to be; what was only tried is not in it.
_RECORDS = (FinetuneResult, ExportResult, QuantizeResult, BenchResult, CheckResult)


@dataclass(frozen=True)
class BundleSettings:
    """What to bundle: the chosen ``candidate`` unless one is named. ``key`` is a private key to sign with.

    ``golden`` is how many images travel along; ``worker`` the command line of the runner that answers to them.
    ``force`` bundles also what a verdict failed.
    """

    run: Path
    candidate: str | None = None
    out: Path | None = None
    key: Path | None = None
    golden: int = GOLDEN
    worker: Sequence[str] = field(default_factory=local_command)
    force: bool = False


def bundle(settings: BundleSettings, progress: Progress) -> BundleResult:
    """Return what was written: one file, the same bytes for the same run and images (a signature differs each time).

    Raises RunError for a run whose candidates were not made or whose verdict is fail, UsageError for a candidate that
    is not there, MeasureError where it cannot run here.
    """
    run = settings.run
    quantized = runs.quantized(run)
    candidate = _candidate(quantized, settings.candidate)
    _require_not_failed(run, candidate, settings.force, progress)
    target = targets.load(quantized.target)
    spec = SessionSpec(candidate.provider, candidate.precision, target.threads, candidate.options)
    baseline = quantized.candidates[0]
    progress.step(STEP, 0, 3)
    dataset, preprocess = Dataset.load(run), runs.preprocess_of(run)
    reference = golden.Model(run / baseline.path, SessionSpec(baseline.provider, baseline.precision, target.threads))
    with ir.shipped(run / candidate.path, wanted=target.openvino_ir and candidate.provider == "openvino") as model:
        kept = golden.keep(
            dataset,
            preprocess,
            (reference, golden.Model(model, spec)),
            settings.worker,
            settings.golden,
            target.budgets.top1_drop,
        )
        progress.step(STEP, 1, 3)
        manifest = Manifest(
            name=_name(run),
            edgetl=__version__,
            model=MODELS[model.suffix],
            spec=spec,
            classes=dataset.classes,
            preprocess=preprocess,
            target=target.name,
            machine=_machine(target),
            limits=_limits(target),
            golden=kept.golden,
            about=_about(run, quantized, candidate, target, kept.own_db),
        )
        contents: dict[str, archive.Content] = {
            **program.members(),
            **kept.contents,
            **_records(run),
            manifest.model: model,
            MANIFEST: manifest.encoded(),
            "MODEL_CARD.md": card(manifest).encode(),
        }
        contents[SUMS] = sums_text({name: _sha256(content) for name, content in contents.items()})
        if settings.key is not None:
            contents[SIGNATURE] = sign.signature(contents, settings.key)
        progress.step(STEP, 2, 3)
        path = settings.out or run / f"{manifest.name}-{targets.short_name(target.name).removesuffix('.toml')}{SUFFIX}"
        with replacing(path) as temporary, temporary.open("wb") as file:
            archive.write(file, contents)
    progress.step(STEP, 3, 3)
    return BundleResult(
        bundle=str(path), sha256=sha256_file(path), size_bytes=path.stat().st_size, signed=settings.key is not None
    )


def _candidate(quantized: QuantizeResult, wanted: str | None) -> Candidate:
    known = {each.name: each for each in quantized.candidates if each.path}
    name = wanted or quantized.chosen
    if name not in known:
        raise UsageError(f"There is no candidate '{name}'.{nearest(name, known)} This run has: {', '.join(known)}.")
    return known[name]


def _require_not_failed(run: Path, candidate: Candidate, force: bool, progress: Progress) -> None:
    """Raise RunError where the run's verdict on ``candidate`` is fail; say where there is none that passed."""
    if not (run / CheckResult.FILE).is_file():
        progress.remark(
            "There is no verdict on this run yet: `edgetl check` gives one, and the bundle then carries it."
        )
        return
    check = CheckResult.load(run)
    if check.candidate != candidate.name:
        progress.remark(f"The run's verdict is on {check.candidate}, not on {candidate.name}.")
    elif check.verdict == "fail" and not force:
        raise RunError(f"The verdict on {candidate.name} is fail: {check.reasons[0]} Add --force to bundle it even so.")
    elif check.verdict != "pass":
        progress.remark(f"The verdict on {candidate.name} is {check.verdict}: {check.reasons[0]}")


def _about(run: Path, quantized: QuantizeResult, candidate: Candidate, target: Target, own_db: float) -> dict[str, Any]:
    """Return what people and the host want to know of the model."""
    verdict = CheckResult.load(run).verdict if (run / CheckResult.FILE).is_file() else None
    return {
        "candidate": candidate.model_dump(mode="json", exclude={"path"}),
        "measured_on": quantized.measured_on,
        "target": target.model_dump(mode="json"),
        "verdict": verdict,
        "sqnr_db": round(own_db, 1),
        "lineage": {
            record.FILE: sha256_file(run / record.FILE) for record in _RECORDS if (run / record.FILE).is_file()
        },
    }


def _records(run: Path) -> Mapping[str, bytes]:
    return {f"records/{each.FILE}": (run / each.FILE).read_bytes() for each in _RECORDS if (run / each.FILE).is_file()}


def _machine(target: Target) -> Machine:
    machine = target.machine
    return Machine(machine.architecture, machine.features, machine.any_of, machine.without)


def _limits(target: Target) -> Limits:
    budgets = target.budgets
    return Limits(budgets.latency_p50_ms, budgets.latency_p90_ms, budgets.end_to_end_ms, budgets.memory_mb)


def _name(run: Path) -> str:
    """Return the run's name in the characters that a file on any system may have."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", run.resolve().name).strip("-.")[:80] or "model"


def _sha256(content: archive.Content) -> str:
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else sha256_file(content)
