"""What is compared with what: a candidate of a run, a run by its chosen candidate, a bundle, or a model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from edgetl import runs, targets
from edgetl.artifacts import Candidate, ExportResult, QuantizeResult
from edgetl.dataset import Dataset
from edgetl.device.bundle.archive import BundleError
from edgetl.device.bundle.opened import Bundle
from edgetl.device.values import Preprocess
from edgetl.errors import RunError, UsageError, nearest, nearest_path
from edgetl.files import cache_dir, replacing, sha256_file

SUFFIX = ".onnx"
BUNDLE = ".pyz"


@dataclass(frozen=True)
class Side:
    """One side of the comparison: a model file on a provider in a precision, and what it takes and answers.

    ``run`` is the run that it is of, None for a file by itself, and ``target`` what it was made for, as far as it says.
    ``provider`` is empty for a file, which does not say by what it is run. ``options`` are the session's.
    """

    name: str
    model: Path
    provider: str
    precision: str
    preprocess: Preprocess
    classes: tuple[str, ...]
    run: Path | None = None
    target: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes two sides the same: the file's content, how it is run, and what goes in and comes out."""
        how = (self.provider, self.precision, dict(self.options))
        return (sha256_file(self.model), *how, asdict(self.preprocess), self.classes)


def of_run(run: Path, quantized: QuantizeResult, wanted: str, role: str) -> Side:
    """Return what ``wanted`` names beside a run: one of its candidates, else what `by_itself` finds."""
    known = {each.name: each for each in quantized.candidates if each.path}
    if wanted in known:
        return _candidate(run, known[wanted])
    found = by_itself(wanted, run)
    if found is None:
        raise UsageError(
            f"There is no {role} '{wanted}': no candidate, no run, no bundle and no {SUFFIX} file."
            f"{nearest(wanted, known)} "
            f"Candidates of this run: {', '.join(known)}."
        )
    return found


def stands_alone(wanted: str) -> bool:
    """Return whether ``wanted`` names something without a run beside it: a model file or a run."""
    return wanted.endswith((SUFFIX, BUNDLE)) or _run_of(wanted) is not None


def by_itself(wanted: str, run: Path | None = None) -> Side | None:
    """Return the model file ``wanted``, a bundle's model or the run's chosen candidate, or None.

    What a file does not say of itself it has from ``run``. Raises UsageError for a file or bundle that cannot be used,
    RunError for a run whose candidates were not made.
    """
    if wanted.endswith(BUNDLE):
        return _of_bundle(Path(wanted))
    if wanted.endswith(SUFFIX):
        return _of_file(Path(wanted), run)
    folder = _run_of(wanted)
    if folder is None:
        return None
    quantized = runs.quantized(folder)
    side = _candidate(folder, quantized.candidate(quantized.chosen))
    return replace(side, name=f"{folder.name}/{side.name}", target=quantized.target)


def _candidate(run: Path, candidate: Candidate) -> Side:
    return Side(
        candidate.name,
        run / candidate.path,
        candidate.provider,
        candidate.precision,
        runs.preprocess_of(run),
        Dataset.load(run).classes,
        run,
        options=candidate.options,
    )


def _of_bundle(path: Path) -> Side:
    """Return the model of a bundle, taken out of it into the cache under the hash of its content."""
    try:
        with Bundle(path) as bundle:
            manifest = bundle.manifest
            model = cache_dir() / "bundles" / f"{bundle.sums[manifest.model]}{Path(manifest.model).suffix}"
            if not model.is_file() or sha256_file(model) != bundle.sums[manifest.model]:
                with replacing(model) as temporary:
                    bundle.save(manifest.model, temporary)
            spec, takes = manifest.spec, (manifest.preprocess, manifest.classes)
            # Where its target is a file of somebody's own, that may not be here.
            target = manifest.target if manifest.target in targets.names() else None
            # Called by its place, as a file is: by its content, each build would begin another history.
            return Side(str(path), model, spec.provider, spec.precision, *takes, target=target, options=spec.options)
    except BundleError as error:
        raise UsageError(f"{path} {error}.") from None


def _of_file(path: Path, run: Path | None) -> Side:
    """Return a model file, on no provider yet; what it does not say of itself it has from ``run``."""
    if not path.is_file():
        raise UsageError(f"There is no model file {path}.{nearest_path(path)}")
    try:
        from edgetl.graph import metadata
        from edgetl.graph.precision import precision_of
    except ImportError:
        raise UsageError("Reading a model file needs onnx. Run: pip install 'edgetl[train]'") from None
    precision = precision_of(path)
    try:
        facts = metadata.read(path)
    except KeyError:
        if run is None:
            raise UsageError(
                f"{path} does not say its classes and how images are prepared: edgetl did not write it. Adopt it with "
                f"`edgetl quantize {path} --calibration IMAGES`, then check its run."
            ) from None
        return Side(str(path), path, "", precision, runs.preprocess_of(run), Dataset.load(run).classes)
    return Side(str(path), path, "", precision, facts.preprocess, facts.classes)


def _run_of(wanted: str) -> Path | None:
    """Return the run's folder that ``wanted`` names, as a path or under ``runs/``."""
    try:
        folder = runs.resolve(Path(wanted))
    except RunError:
        return None
    return folder if (folder / ExportResult.FILE).is_file() else None
