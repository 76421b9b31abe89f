"""A verdict to render, of which each test says only what it is about."""

from __future__ import annotations

from typing import Any

from edgetl.artifacts import Accuracy, CheckResult, ClassResult, Finding, Flip, Latency, Outcome, State

SEVERITY: tuple[Outcome, ...] = ("fail", "inconclusive", "pass")
MACHINE = {"cpu": "Test CPU", "cpu_features": ["avx2"], "cores_allowed": 2, "engines": {"onnxruntime": "1.30.0"}}
QUIET = State(seconds=30.0, others_cores=0.0, steal_share=0.0, throttled_share=0.0)


def latency(outcome: Outcome = "pass", **changes: Any) -> Finding:
    """Return a finding on the latency."""
    values = {
        "budget": "latency_ratio", "quantity": "latency", "outcome": outcome, "value": 0.52, "ci": (0.5, 0.54),
        "limit": 1.05, "unit": "x", "baseline": 4.2, "candidate": 2.184, "reason": "Latency is 0.520 times.",
    }  # fmt: skip
    return Finding.model_validate(values | changes)


def drop(outcome: Outcome = "pass", **changes: Any) -> Finding:
    """Return a finding on the loss of top-1."""
    values = {
        "budget": "top1_drop", "quantity": "top-1 drop", "outcome": outcome, "value": 0.42, "ci": (-0.3, 1.2),
        "limit": 2.0, "unit": "points", "baseline": 94.0, "candidate": 93.58, "reason": "Top-1 drop is 0.4 points.",
    }  # fmt: skip
    return Finding.model_validate(values | changes)


def flip(
    path: str = "scratch/7.png", label: str = "scratch", baseline: str = "scratch", candidate: str = "dent"
) -> Flip:
    """Return an image whose class changed."""
    return Flip(path=path, label=label, baseline=baseline, candidate=candidate)


def of_class(name: str, drop: float) -> ClassResult:
    """Return a class of 40 images that lost the share ``drop`` of top-1."""
    return ClassResult(
        name=name, images=40, baseline=0.9, candidate=0.9 - drop, drop=drop, ci=(drop - 0.05, drop + 0.1)
    )


def check_result(
    *findings: Finding, flips: tuple[Flip, ...] = (), classes: tuple[ClassResult, ...] = (), **changes: Any
) -> CheckResult:
    """Return a verdict on ``findings`` (a pass on two without any) whose other values are ``changes``."""
    judged = tuple(sorted(findings or (latency(), drop()), key=lambda finding: SEVERITY.index(finding.outcome)))
    accuracy = Accuracy(
        images=480, labelled_by="people", baseline=0.94, candidate=0.9358, drop=0.0042, ci=(-0.003, 0.012),
        agreement=0.98, flips=flips, budget=0.02, lost=5, won=3, mcnemar_p=0.727, classes=classes, images_needed=None,
    )  # fmt: skip
    values: dict[str, Any] = {
        "run": "runs/demo", "inputs": "", "seconds": 34.5, "created": "2026-11-21T20:00:00+00:00",
        "confidence": 0.95, "verdict": judged[0].outcome, "target": "host",
        "reasons": tuple(finding.reason for finding in judged),
        "baseline": "cpu-fp32", "candidate": "cpu-int8", "findings": judged,
        "latency": Latency(ratio=0.52, ci=(0.5, 0.54), budget=1.05), "accuracy": accuracy, "noise_floor": (0.99, 1.01),
        "launches": 9, "machine": MACHINE, "state": QUIET, "timings": "check-timings.json",
    }  # fmt: skip
    return CheckResult.model_validate(values | changes)
