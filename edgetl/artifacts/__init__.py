"""The values that stages hand on: frozen, validated, stored as JSON in the run's folder.

Each names what it was made from by SHA-256 and carries ``schema_version``; a newer version than this program knows is
refused with a sentence. Timings are stored as integer nanoseconds beside these (see ``timings``); the figures here are
derived from them.
"""

from __future__ import annotations

from edgetl.artifacts.base import MEASURES, SCHEMA_VERSION, Artifact, Interval, LabelledBy, Value
from edgetl.artifacts.candidates import Candidate, QuantizeResult, Status
from edgetl.artifacts.measurements import BenchResult, Row, Setting, State, SweepResult, Throughput
from edgetl.artifacts.training import ExportResult, FinetuneResult
from edgetl.artifacts.verdict import Accuracy, CheckResult, ClassResult, Finding, Flip, Latency, Outcome

__all__ = [
    "MEASURES",
    "SCHEMA_VERSION",
    "Accuracy",
    "Artifact",
    "BenchResult",
    "Candidate",
    "CheckResult",
    "ClassResult",
    "ExportResult",
    "Finding",
    "FinetuneResult",
    "Flip",
    "Interval",
    "LabelledBy",
    "Latency",
    "Outcome",
    "QuantizeResult",
    "Row",
    "RunResult",
    "Setting",
    "State",
    "Status",
    "SweepResult",
    "Throughput",
    "Value",
]


class RunResult(Value):
    """Every stage's artifact, of one run."""

    finetune: FinetuneResult
    export: ExportResult
    quantize: QuantizeResult
    bench: BenchResult
    check: CheckResult
