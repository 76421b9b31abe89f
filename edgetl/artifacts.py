"""The values that stages hand on: frozen, validated, stored as JSON in the run's folder.

Each names what it was made from by SHA-256 and carries ``schema_version``; a newer version than this program knows is
refused with a sentence. Timings are stored as integer nanoseconds beside these (see ``timings``); the figures here are
derived from them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import pydantic

from edgetl import __version__
from edgetl.errors import RunError
from edgetl.files import write_text

SCHEMA_VERSION = 1

A = TypeVar("A", bound="Artifact")
Interval = tuple[float, float]
Status = Literal["baseline", "chosen", "accepted", "rejected", "unavailable", "skipped"]


class Value(pydantic.BaseModel):
    """A frozen value in which a misspelt key is an error."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class Artifact(Value):
    """A stage's result. ``run`` is the run's folder; ``inputs`` the hash of all that decided this result."""

    FILE: ClassVar[str]

    schema_version: int = SCHEMA_VERSION
    edgetl: str = __version__
    run: str
    inputs: str
    seconds: float

    def save(self, folder: Path) -> None:
        """Write this artifact into a run's folder, atomically."""
        write_text(folder / self.FILE, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls: type[A], folder: Path) -> A:
        """Return the artifact stored in ``folder``; raises RunError when it is missing, newer or damaged."""
        path = folder / cls.FILE
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            version = data["schema_version"]
        except FileNotFoundError:
            stage = path.stem
            raise RunError(f"{folder} has no {path.name}. Run `edgetl {stage}` first.") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path} is not an edgetl artifact ({error}). Make it again.") from error
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise RunError(
                f"{path} was written by edgetl {data.get('edgetl', '?')} (schema {version}); this is edgetl "
                f"{__version__} (schema {SCHEMA_VERSION}). Upgrade edgetl, or make the run again."
            )
        try:
            return cls.model_validate(data)
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise RunError(f"{path} is damaged at '{where}': {first['msg']}. Make it again.") from error


class FinetuneResult(Artifact):
    """A trained classifier: ``classifier`` is a safetensors file, relative to the run's folder.

    Accuracies are fractions. ``preprocess`` is `device.values.Preprocess` as a dict. ``weights`` is what the user
    named; ``weights_sha256`` what was loaded (empty for random weights). ``notes`` are what the strategy decided on the
    way; ``interrupted`` says that this is the best of a training that was cut short. ``adaptation`` is how it was
    adapted to another domain (`training.adapt.values.Adaptation` as a dict), None if it was not.
    """

    FILE: ClassVar[str] = "finetune.json"

    arch: str
    weights: str
    weights_sha256: str
    classes: tuple[str, ...]
    strategy: str
    head: str
    seed: int
    train_images: int
    val_images: int
    skipped_images: int
    train_accuracy: float
    val_accuracy: float
    val_accuracy_ci: Interval
    classifier: str
    sha256: str
    preprocess: dict[str, Any]
    data: str
    data_sha256: str
    phases: dict[str, float]
    notes: dict[str, float | int | str] = {}
    interrupted: bool = False
    adaptation: dict[str, Any] | None = None


class ExportResult(Artifact):
    """The fp32 ONNX baseline: ``model`` is relative to the run's folder; ``max_abs_diff`` in logits against torch.

    Its logits are the classifier's divided by ``temperature``.
    """

    FILE: ClassVar[str] = "export.json"

    model: str
    sha256: str
    size_bytes: int
    opset: int
    max_abs_diff: float
    tolerance: float
    temperature: float = 1.0
    parent_sha256: str


class Candidate(Value):
    """A model file on a provider in a precision. Latency is of one image, inference alone.

    ``speedup`` is the baseline's latency over this one's, with its 95 % interval; ``agreement`` the share of images
    with the baseline's top-1; ``float_nodes`` are nodes that were left in float on purpose.
    """

    name: str
    path: str
    sha256: str
    provider: str
    precision: str
    recipe: str | None = None
    float_nodes: tuple[str, ...] = ()
    size_bytes: int
    accuracy: float | None = None
    agreement: float | None = None
    latency_p50_ms: float | None = None
    speedup: float | None = None
    speedup_ci: Interval | None = None
    status: Status
    reason: str


class QuantizeResult(Artifact):
    """All candidates of a target, and the name of the chosen one.

    ``images`` is how many they were chosen by. Where these were ``labelled_by`` the fp32 model itself, accuracy is
    agreement with it.
    """

    FILE: ClassVar[str] = "quantize.json"

    target: str
    chosen: str
    measured_on: str
    images: int
    labelled_by: Literal["people", "model"] = "people"
    candidates: tuple[Candidate, ...]
    timings: str
    parent_sha256: str

    def candidate(self, name: str) -> Candidate:
        """Return the candidate of that name; raises KeyError."""
        return {candidate.name: candidate for candidate in self.candidates}[name]


class Row(Candidate):
    """A candidate measured thoroughly. ``placement`` maps an execution provider to its number of graph nodes."""

    engine: str | None = None
    engine_version: str | None = None
    actual_precision: str | None = None
    threads: int | None = None
    latency_p90_ms: float | None = None
    latency_p90_ci_ms: Interval | None = None
    cold_start_ms: float | None = None
    session_ms: float | None = None
    end_to_end_p50_ms: float | None = None
    peak_rss_mb: float | None = None
    placement: dict[str, int] | None = None


class BenchResult(Artifact):
    """Rows of candidate x provider, and the machine that they were measured on."""

    FILE: ClassVar[str] = "bench.json"

    target: str
    machine: dict[str, Any]
    images: int
    noise_floor: Interval
    rows: tuple[Row, ...]
    timings: str


class Latency(Value):
    """The candidate's latency over the baseline's: ``ratio`` with its interval, against the largest allowed."""

    ratio: float
    ci: Interval
    budget: float


class Flip(Value):
    """An image whose predicted class the candidate changed."""

    path: str
    label: str
    baseline: str
    candidate: str


class Accuracy(Value):
    """Paired top-1 on the same images: ``drop`` is baseline minus candidate with its interval, as fractions."""

    images: int
    baseline: float
    candidate: float
    drop: float
    ci: Interval
    agreement: float
    flips: tuple[Flip, ...]
    budget: float


class CheckResult(Artifact):
    """The verdict on a candidate: ``pass``, ``fail`` or ``inconclusive``, and why."""

    FILE: ClassVar[str] = "check.json"

    verdict: Literal["pass", "fail", "inconclusive"]
    reasons: tuple[str, ...]
    target: str
    baseline: str
    candidate: str
    latency: Latency
    accuracy: Accuracy
    timings: str


class RunResult(Value):
    """Every stage's artifact, of one run."""

    finetune: FinetuneResult
    export: ExportResult
    quantize: QuantizeResult
    bench: BenchResult
    check: CheckResult
