"""What was measured of a candidate, and the row that says it. Pure: nothing is run here."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from edgetl.artifacts import Candidate, Row
from edgetl.device.values import LoadReport
from edgetl.measure.accuracy import PairedAccuracy
from edgetl.measure.interleave import Samples
from edgetl.measure.statistics import Estimate, quantile
from edgetl.targets import Budgets

MS, MB = 1e6, 1e6


@dataclass(frozen=True)
class Measured:
    """A candidate that ran. Times are ns; ``accuracy`` is paired with the baseline's (its own where that cannot run).

    ``latency`` is the ratio to the baseline's, None for the baseline itself and where that cannot run.
    """

    candidate: Candidate
    report: LoadReport
    accuracy: PairedAccuracy
    samples: Samples
    end_to_end: tuple[int, ...]
    cold_start: tuple[int, ...]
    peak_rss_bytes: int
    latency: Estimate | None
    has_baseline: bool


def measured_row(measured: Measured, budgets: Budgets) -> Row:
    """Return the row of a candidate that ran; one that loses more than ``budgets`` allow here is ``rejected``.

    Otherwise the status is the one that `edgetl quantize` gave it, on other images.
    """
    report, latency = measured.report, measured.latency
    median, p90 = quantile(measured.samples.blocks, 0.5), quantile(measured.samples.blocks, 0.9)
    return Row(
        **(_identity(measured.candidate) | _loss(measured.accuracy, budgets)),
        accuracy=measured.accuracy.candidate,
        agreement=measured.accuracy.agreement if measured.has_baseline else None,
        latency_p50_ms=median.value / MS if median else None,
        latency_p90_ms=p90.value / MS if p90 else None,
        latency_p90_ci_ms=(p90.low / MS, p90.high / MS) if p90 else None,
        speedup=1 / latency.value if latency else None,
        speedup_ci=(1 / latency.high, 1 / latency.low) if latency else None,
        engine=report.engine,
        engine_version=report.engine_version,
        actual_precision=report.precision,
        threads=report.threads,
        placement=dict(report.placement),
        session_ms=report.load_ns / MS,
        cold_start_ms=statistics.median(measured.cold_start) / MS,
        end_to_end_p50_ms=statistics.median(measured.end_to_end) / MS,
        peak_rss_mb=measured.peak_rss_bytes / MB or None,
    )


def unavailable_row(candidate: Candidate, reason: str) -> Row:
    """Return the row of a candidate that cannot run here, without any figure of an earlier measurement."""
    return Row(**(_identity(candidate) | {"status": "unavailable", "reason": reason}))


def _loss(accuracy: PairedAccuracy, budgets: Budgets) -> dict[str, str]:
    if accuracy.drop <= budgets.top1_drop:
        return {}
    reason = (
        f"It loses {100 * accuracy.drop:.1f} points of top-1 on {accuracy.images} images ({accuracy.baseline:.1%} to "
        f"{accuracy.candidate:.1%}), more than the budget of {100 * budgets.top1_drop:.1f}."
    )
    return {"status": "rejected", "reason": reason}


def _identity(candidate: Candidate) -> dict[str, Any]:
    """Return what a candidate is; what `edgetl quantize` measured of it is left behind."""
    identity = candidate.model_dump(
        include={
            "name",
            "path",
            "sha256",
            "provider",
            "precision",
            "recipe",
            "float_nodes",
            "size_bytes",
            "status",
            "reason",
        }
    )
    if candidate.status != "unavailable":
        return identity
    reason = "It runs here, but `edgetl quantize` could not try it. Run `edgetl quantize` again."
    return identity | {"status": "accepted", "reason": reason}
