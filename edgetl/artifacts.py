"""The values that stages hand on: frozen, validated, stored as JSON in the run's folder.

Each names what it was made from by SHA-256 and carries ``schema_version``; a newer version than this program knows is
refused with a sentence. Timings are stored as integer nanoseconds beside these (see ``timings``); the figures here are
derived from them.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import pydantic

from edgetl import __version__
from edgetl.errors import RunError
from edgetl.files import write_text

SCHEMA_VERSION = 1

A = TypeVar("A", bound="Artifact")
Interval = tuple[float, float]
# Who said what an image shows.
LabelledBy = Literal["people", "model"]
Status = Literal["baseline", "chosen", "accepted", "rejected", "unavailable", "skipped"]


class Value(pydantic.BaseModel):
    """A frozen value in which a misspelt key is an error."""

    # An interval may be open; JSON has no number for that.
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows of a stage's result: what its command prints. None is the usual text."""
        from edgetl.reporting.notebook import html

        return html(self)


def _now() -> str:
    """Return the time, UTC, as ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class State(Value):
    """The machine while something was timed. None is what its system does not tell.

    ``others_cores`` is how many cores other programs kept busy; ``steal_share`` the share of the processors' time that
    a hypervisor gave away, ``throttled_share`` the share of the time for which a cgroup's quota stopped the timed
    processes. ``frequency_mhz`` are the lowest and the highest clock rate that the fastest processor was seen at,
    ``temperature_c`` is the highest of any sensor.
    """

    seconds: float
    others_cores: float | None = None
    steal_share: float | None = None
    throttled_share: float | None = None
    load: float | None = None
    frequency_mhz: tuple[float, float] | None = None
    temperature_c: float | None = None
    governor: str | None = None


class Artifact(Value):
    """A stage's result. ``run`` is the run's folder; ``inputs`` the hash of all that decided this result.

    ``created`` is when, UTC, as ISO 8601.
    """

    FILE: ClassVar[str]

    schema_version: int = SCHEMA_VERSION
    edgetl: str = __version__
    run: str
    inputs: str
    seconds: float
    created: str = pydantic.Field(default_factory=_now)

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
    labelled_by: LabelledBy = "people"
    candidates: tuple[Candidate, ...]
    timings: str
    parent_sha256: str

    def candidate(self, name: str) -> Candidate:
        """Return the candidate of that name; raises KeyError."""
        return {candidate.name: candidate for candidate in self.candidates}[name]


class Throughput(Value):
    """What a candidate does in batches of ``batch`` images, ``streams`` of them at the same time."""

    batch: int
    streams: int
    images_per_s: float


class Row(Candidate):
    """A candidate measured thoroughly. ``placement`` maps an execution provider to its number of graph nodes.

    ``mac_share`` maps it to its share of the multiply-accumulates, None where that cannot be told. Figures are means
    over launches with the intervals that launches support; a percentile that takes more runs than there were is None.
    ``energy_mj`` is what one image costs in millijoules, by the meter ``energy_source``; None on a machine without one.
    ``throughput`` is empty where it was not asked for.
    """

    engine: str | None = None
    engine_version: str | None = None
    actual_precision: str | None = None
    threads: int | None = None
    latency_p50_ci_ms: Interval | None = None
    latency_p90_ms: float | None = None
    latency_p90_ci_ms: Interval | None = None
    latency_p99_ms: float | None = None
    latency_p99_ci_ms: Interval | None = None
    cold_start_ms: float | None = None
    cold_start_ci_ms: Interval | None = None
    session_ms: float | None = None
    end_to_end_p50_ms: float | None = None
    end_to_end_ci_ms: Interval | None = None
    peak_rss_mb: float | None = None
    placement: dict[str, int] | None = None
    mac_share: dict[str, float] | None = None
    energy_mj: float | None = None
    energy_source: str | None = None
    resident_p50_ms: float | None = None
    resident_p50_ci_ms: Interval | None = None
    throughput: tuple[Throughput, ...] = ()


class BenchResult(Artifact):
    """Rows of candidate x provider, the machine that they were measured on and the state it was in.

    ``noise_floor`` is the interval of the latency ratio of two processes of the baseline itself; ``launches`` how often
    all processes were started.
    """

    FILE: ClassVar[str] = "bench.json"

    target: str
    machine: dict[str, Any]
    state: State
    images: int
    launches: int
    noise_floor: Interval
    rows: tuple[Row, ...]
    timings: str


class Setting(Value):
    """A candidate's latency under one setting of its session, and its ratio to the target's own setting."""

    name: str
    threads: int
    spinning: bool
    pinned: bool
    options: dict[str, str]
    latency_p50_ms: float
    ratio: float
    ci: Interval


class SweepResult(Value):
    """A candidate under many settings, the fastest first; ``default_threads`` is what the target's setting gives."""

    run: str
    candidate: str
    target: str
    default_threads: int
    launches: int
    rows: tuple[Setting, ...]
    machine: dict[str, Any]
    state: State


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


class ClassResult(Value):
    """Top-1 of both on the ``images`` of a class, as fractions; ``drop`` with the interval of its paired difference."""

    name: str
    images: int
    baseline: float
    candidate: float
    drop: float
    ci: Interval


class Accuracy(Value):
    """Paired top-1 on the same images: ``drop`` is baseline minus candidate with its interval, as fractions.

    ``lost`` images only the baseline had right, ``won`` only the candidate: the discordant ones. ``mcnemar_p`` is the
    exact two-sided probability of so uneven a split of them by chance. ``classes`` stand from the largest drop to the
    smallest. ``images_needed`` is how many images in all would settle the verdict, None where it is settled, or where
    no number would do. Where the images were ``labelled_by`` the baseline itself, accuracy is agreement with it.
    """

    images: int
    labelled_by: LabelledBy
    baseline: float
    candidate: float
    drop: float
    ci: Interval
    agreement: float
    flips: tuple[Flip, ...]
    budget: float
    lost: int
    won: int
    mcnemar_p: float
    classes: tuple[ClassResult, ...]
    images_needed: int | None


Outcome = Literal["pass", "fail", "inconclusive"]


class Finding(Value):
    """What one budget of a target says of a candidate.

    ``budget`` is its key in the target file, such as ``latency_p90_ms``; ``quantity`` the same for people. ``value`` is
    what was judged, with its interval ``ci``, against ``limit``, all in ``unit``: ``x`` (candidate over baseline),
    ``ms``, ``MB`` or ``points`` (of accuracy, 0 to 100). ``baseline`` and ``candidate`` are the two figures behind a
    ratio or a drop, where there are such. ``reason`` is one sentence with the numbers.
    """

    budget: str
    quantity: str
    outcome: Outcome
    value: float
    ci: Interval
    limit: float
    unit: Literal["x", "ms", "MB", "points"]
    baseline: float | None = None
    candidate: float | None = None
    reason: str


class CheckResult(Artifact):
    """The verdict on a candidate: ``pass``, ``fail`` or ``inconclusive``, and why.

    ``findings`` has one entry for each budget, the deciding ones first, each judged at ``confidence``; ``reasons`` are
    their sentences and what the machine did to them. ``noise_floor`` is the interval of the latency ratio of two
    processes of the baseline itself; ``launches`` how often all processes were started. ``state`` is what the machine
    was doing meanwhile.
    """

    FILE: ClassVar[str] = "check.json"

    verdict: Outcome
    reasons: tuple[str, ...]
    confidence: float
    target: str
    baseline: str
    candidate: str
    findings: tuple[Finding, ...]
    latency: Latency
    accuracy: Accuracy
    noise_floor: Interval
    launches: int
    machine: dict[str, Any]
    state: State
    timings: str


class RunResult(Value):
    """Every stage's artifact, of one run."""

    finetune: FinetuneResult
    export: ExportResult
    quantize: QuantizeResult
    bench: BenchResult
    check: CheckResult
