"""Results as lines for people; a device has no library for tables."""

from __future__ import annotations

from collections.abc import Iterator

from edgetl.device.app.bench import Benched
from edgetl.device.bundle.cost import Latency
from edgetl.device.bundle.verification import Verified
from edgetl.device.values import LoadReport


def verified(found: Verified) -> str:
    """Return the verdict first, then what it rests on."""
    accuracy = "not labelled" if found.accuracy is None else f"top-1 {found.accuracy:.1%}"
    lines = [
        f"{'OK' if found.ok else 'NOT OK'}: {found.version}",
        *(f"  {reason}" for reason in found.reasons),
        f"  {found.images} golden images: {accuracy}, {found.agreement:.1%} as fp32, {found.sqnr_db:.1f} dB",
        *(f"  {line}" for line in ([] if found.latency is None else _latency(found.latency))),
        f"  {_engine(found.report)}",
    ]
    return "\n".join(lines)


def benched(found: Benched) -> str:
    """Return the latency of one image and what ran it."""
    lines = [found.version, *_latency(found.latency), _start(found), f"{_engine(found.report)}, {found.cpu}"]
    return "\n  ".join(lines)


def _latency(latency: Latency) -> Iterator[str]:
    p90 = "" if latency.p90_ms is None else f", p90 {latency.p90_ms:.2f} ms"
    yield f"inference p50 {latency.p50_ms:.2f} ms{p90} ({latency.runs} runs)"
    yield f"image to class {latency.end_to_end_ms:.2f} ms"
    if latency.peak_rss_mb is not None:
        yield f"peak memory {latency.peak_rss_mb:.0f} MB"


def _start(found: Benched) -> str:
    return f"session made in {found.load_ms:.0f} ms, first run {found.first_ms:.1f} ms"


def _engine(report: LoadReport) -> str:
    threads = "1 thread" if report.threads == 1 else f"{report.threads} threads"
    return f"{report.provider} ({report.engine} {report.engine_version}), {report.precision}, {threads}"
