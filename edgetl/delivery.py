"""The values that `report`, `bundle`, `verify` and `ship` hand on: told and not stored, unlike artifacts."""

from __future__ import annotations

from typing import Literal

from edgetl.artifacts import Value
from edgetl.device.bundle.cost import Latency


class LeftOut(Value):
    """A section that a run has nothing for, and why."""

    run: str
    section: str
    reason: str


class ReportResult(Value):
    """A report that was written: the HTML file, the same as Markdown where asked for, the runs in it."""

    report: str
    markdown: str | None
    size_bytes: int
    runs: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


class BundleResult(Value):
    """A bundle that was written: its path, the SHA-256 of the whole file, and whether it carries a signature."""

    bundle: str
    sha256: str
    size_bytes: int
    signed: bool


class VerifyResult(Value):
    """Whether a bundle is ``ok``, and the ``reasons`` why not; the rest is None where the file itself was refused.

    ``accuracy`` is top-1 on the golden images (None without labels), ``agreement`` the share of them with fp32's top-1,
    ``sqnr_db`` the signal to noise ratio of the logits against fp32's. ``latency`` is None where nothing was timed.
    """

    ok: bool
    reasons: tuple[str, ...]
    bundle: str
    version: str | None = None
    images: int | None = None
    accuracy: float | None = None
    agreement: float | None = None
    sqnr_db: float | None = None
    latency: Latency | None = None
    provider: str | None = None
    precision: str | None = None
    emulated: str | None = None


ShipStatus = Literal["shipped", "unchanged", "rolled back", "failed", "unreachable", "skipped"]


# What leaves nothing to do for a device.
WELL: tuple[ShipStatus, ...] = ("shipped", "unchanged", "rolled back")


class ShipRow(Value):
    """What became of one device: ``version`` is what it serves now, None where none or where that is not known."""

    host: str
    status: ShipStatus
    version: str | None
    reason: str
    seconds: float


class ShipResult(Value):
    """All devices of a shipping, in their order."""

    devices: tuple[ShipRow, ...]
