"""What was measured of a candidate, and the row that says it. Pure: nothing is run here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgetl.artifacts import Candidate, Interval, Row
from edgetl.device.values import LoadReport
from edgetl.measure import replication
from edgetl.measure.accuracy import PairedAccuracy
from edgetl.measure.launches import Launch, Timed
from edgetl.measure.statistics import Estimate, samples_for_quantile
from edgetl.targets import Budgets

MS, MB = 1e6, 1e6
# Before the reason that `edgetl quantize` gave, by its own timing and images: what is measured here may read otherwise.
SEARCHED = "In the search: "


@dataclass(frozen=True)
class Measured:
    """A candidate that ran. ``accuracy`` is paired with the baseline's (its own where that cannot run).

    ``mac_share`` is the share of the multiply-accumulates on each execution provider, None where it cannot be told.
    ``resident`` names the variant whose images stay on the device, where it was timed too.
    """

    candidate: Candidate
    report: LoadReport
    accuracy: PairedAccuracy
    mac_share: dict[str, float] | None
    launches: Sequence[Launch]
    resident: str | None = None

    @property
    def timed(self) -> list[Timed]:
        """What each launch gave for it."""
        return [launch.timed[self.candidate.name] for launch in self.launches]


def measured_row(measured: Measured, against: tuple[str, str] | None, budgets: Budgets) -> Row:
    """Return the row of a candidate that ran; one that loses more than ``budgets`` allow here is ``rejected``.

    ``against`` are the names of the baseline and its twin, None where they cannot run here. Otherwise the status is the
    one that `edgetl quantize` gave it, on other images.
    """
    report, name = measured.report, measured.candidate.name
    p50, p90, p99 = (_percentile(measured, q) for q in (0.5, 0.9, 0.99))
    whole, cold = (_over(measured, statistic) for statistic in (replication.end_to_end, replication.cold_start))
    # Not every system tells.
    memory = _over(measured, replication.memory) if all(each.peak_rss_bytes for each in measured.timed) else None
    stays = None
    if measured.resident is not None:
        timed = [launch.timed[measured.resident] for launch in measured.launches]
        stays = replication.level([replication.percentile(0.5)(each) for each in timed])
    speed = None
    if against is not None and name != against[0]:
        speed = replication.ratio(replication.undisturbed(measured.launches, name, *against))
    return Row(
        **(_identity(measured.candidate) | _loss(measured.accuracy, budgets)),
        images=measured.accuracy.images,
        accuracy=measured.accuracy.candidate,
        agreement=None if against is None else measured.accuracy.agreement,
        latency_p50_ms=p50.value / MS if p50 else None,
        latency_p50_ci_ms=_scaled(p50),
        latency_p90_ms=p90.value / MS if p90 else None,
        latency_p90_ci_ms=_scaled(p90),
        latency_p99_ms=p99.value / MS if p99 else None,
        latency_p99_ci_ms=_scaled(p99),
        speedup=1 / speed.value if speed else None,
        speedup_ci=(1 / speed.high, 1 / speed.low) if speed else None,
        engine=report.engine,
        engine_version=report.engine_version,
        actual_precision=report.precision,
        engine_settings=dict(report.settings),
        threads=report.threads,
        placement=dict(report.placement),
        mac_share=measured.mac_share,
        session_ms=replication.level([each.session_ns for each in measured.timed]).value / MS,
        cold_start_ms=cold.value / MS,
        cold_start_ci_ms=_scaled(cold),
        end_to_end_p50_ms=whole.value / MS,
        end_to_end_ci_ms=_scaled(whole),
        resident_p50_ms=stays.value / MS if stays else None,
        resident_p50_ci_ms=_scaled(stays),
        peak_rss_mb=memory.value / MB if memory else None,
    )


def _percentile(measured: Measured, q: float) -> Estimate | None:
    """Return a percentile over the launches, None where a launch has too few runs for it."""
    runs = min(sum(map(len, each.inference)) for each in measured.timed)
    return _over(measured, replication.percentile(q)) if runs >= samples_for_quantile(q) else None


def _over(measured: Measured, statistic: Callable[[Timed], float]) -> Estimate:
    return replication.level([statistic(each) for each in measured.timed])


def _scaled(estimate: Estimate | None) -> Interval | None:
    return None if estimate is None else (estimate.low / MS, estimate.high / MS)


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
            "options",
            "size_bytes",
            "status",
            "reason",
        }
    )
    if candidate.status != "unavailable":
        return identity if candidate.latency_p50_ms is None else identity | {"reason": SEARCHED + candidate.reason}
    reason = "It runs here, but `edgetl quantize` could not try it. Run `edgetl quantize` again."
    return identity | {"status": "accepted", "reason": reason}
