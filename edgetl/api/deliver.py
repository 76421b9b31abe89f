"""One file with all that a device needs, whether it is whole, and its way to devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgetl.api.given import Place, path, run_folder, watched, worker
from edgetl.defaults import GOLDEN, KEEP, SHIP_S, VERIFY_S

if TYPE_CHECKING:
    from pathlib import Path

    from edgetl.delivery import BundleResult, ShipResult, VerifyResult
    from edgetl.progress import Progress
    from edgetl.shipping.fleet import Fleet


def bundle(
    run: Place | None = None,
    *,
    candidate: str | None = None,
    out: Place | None = None,
    key: Place | None = None,
    golden: int = GOLDEN,
    on: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> BundleResult:
    """Return what was written: one file with the chosen candidate and all that it needs on a device.

    ``key`` is a private key (PEM, EC P-256) to sign with, ``golden`` how many images travel along, ``on`` where the
    model runs to answer them; ``force`` bundles also what a verdict failed. Raises RunError for such a verdict,
    UsageError for an unknown candidate, MeasureError where it cannot run.
    """
    from edgetl import runs
    from edgetl.bundling.stage import BundleSettings
    from edgetl.bundling.stage import bundle as stage

    folder = run_folder(run)
    settings = BundleSettings(
        run=folder,
        candidate=candidate,
        out=path(out),
        key=path(key),
        golden=golden,
        worker=worker(on),
        force=force,
    )
    with watched(progress) as watching:
        result = stage(settings, watching)
    runs.remember(folder)
    return result


def verify(
    bundle: Place,
    *,
    key: Place | None = None,
    emulate: str | None = None,
    on: str | None = None,
    seconds: float | None = VERIFY_S,
    progress: Progress | None = None,
) -> VerifyResult:
    """Return whether a bundle is whole, signed where ``key`` (public, PEM) is given, and does what it did when made.

    ``emulate`` names a processor (avx2, arm64, a target) that computes in place of this one, ``on`` another machine.
    The model is timed for ``seconds``, not at all for None. Raises UsageError where there is no such file or key,
    WorkerError where the model cannot run.
    """
    from pathlib import Path

    from edgetl.errors import UsageError
    from edgetl.verification.stage import VerifySettings
    from edgetl.verification.stage import verify as stage

    if on is not None and emulate is not None:
        raise UsageError("--on names a real machine and --emulate a pretended one: leave one of them out.")
    asked = VerifySettings(bundle=Path(bundle), key=path(key), emulate=emulate, worker=worker(on), seconds=seconds)
    with watched(progress) as watching:
        return stage(asked, watching)


def ship(
    bundle: Place | None,
    devices: Sequence[str] = (),
    *,
    fleet: Place | None = None,
    rollback: bool = False,
    keep: int | None = None,
    python: str | None = None,
    seconds: int = SHIP_S,
    again: bool = False,
    progress: Progress | None = None,
) -> ShipResult:
    """Return what became of each device: it serves the new version, verified there, or still the old one.

    ``devices`` are addresses (ssh://user@host/path), or ``fleet`` is a TOML file of them. ``rollback`` goes back to the
    version before; ``bundle`` is None then. ``again`` verifies also a version that is the current one there. Raises
    UsageError for bad input; a device that fails is a row.
    """
    from pathlib import Path

    from edgetl.errors import UsageError
    from edgetl.shipping.device import Order
    from edgetl.shipping.parcel import parcel
    from edgetl.shipping.stage import ship as stage

    if (bundle is None) != rollback:
        raise UsageError("Name the bundle to ship, as `edgetl bundle` wrote it, or roll back without one.")
    to = _fleet(tuple(devices), path(fleet), keep, python)
    order = Order(None if bundle is None else parcel(Path(bundle)), to.keep, seconds, again)
    with watched(progress) as watching:
        return stage(to, order, watching)


def _fleet(devices: tuple[str, ...], file: Path | None, keep: int | None, python: str | None) -> Fleet:
    from dataclasses import replace

    from edgetl.errors import UsageError
    from edgetl.measure.remote import PYTHON
    from edgetl.shipping import fleet as fleets

    if bool(devices) == bool(file):
        raise UsageError("Name devices either by addresses (ssh://user@host/path) or by --fleet FILE.")
    if file is None:
        return fleets.of_addresses(devices, python or PYTHON, keep or KEEP)
    fleet = fleets.read(file)
    if python is not None:
        raise UsageError(f"Say which interpreter the devices have in {file}: python = '{python}'.")
    return fleet if keep is None else replace(fleet, keep=keep)
