"""The stage: signature and hashes first, then the model's answers, and its latency where that means something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgetl.bundling.sign import require_signed
from edgetl.defaults import VERIFY_S
from edgetl.delivery import VerifyResult
from edgetl.device.bundle.archive import BundleError
from edgetl.device.bundle.opened import Bundle
from edgetl.device.bundle.verification import Verified
from edgetl.device.bundle.verification import verify as run_verification
from edgetl.environments import worker_for
from edgetl.environments.emulation import emulated
from edgetl.environments.local import local_command
from edgetl.errors import Interruption, UsageError, nearest_path
from edgetl.measure.worker import Worker
from edgetl.progress import Progress

STEP = "answer golden images"


@dataclass(frozen=True)
class VerifySettings:
    """What to verify. ``key`` is the public key that must have signed it; ``emulate`` an instruction set or a target.

    ``worker`` is the command line of the runner; an emulated one is timed by nobody. ``seconds`` of None times nothing.
    """

    bundle: Path
    key: Path | None = None
    emulate: str | None = None
    worker: Sequence[str] = field(default_factory=local_command)
    seconds: float | None = VERIFY_S


def verify(settings: VerifySettings, progress: Progress) -> VerifyResult:
    """Return whether the bundle is whole, signed where a key is given, and does what it did where it was made.

    Raises UsageError where there is no such file or key, WorkerError where the model cannot run.
    """
    if settings.bundle.is_dir():
        raise UsageError(f"{settings.bundle} is a folder, not a bundle. Make one of a run with `edgetl bundle`.")
    if not settings.bundle.is_file():
        raise UsageError(
            f"There is no bundle {settings.bundle}.{nearest_path(settings.bundle)} Make one with `edgetl bundle`."
        )
    try:
        with Bundle(settings.bundle) as bundle:
            if settings.key is not None:
                require_signed(bundle, settings.key)
            return _result(settings, _answers(bundle, settings, progress))
    except KeyboardInterrupt:
        raise Interruption("Interrupted: nothing was changed, and nothing is known of the bundle.") from None
    except BundleError as error:
        return VerifyResult(ok=False, reasons=(f"{settings.bundle} {error}.",), bundle=str(settings.bundle))


def _answers(bundle: Bundle, settings: VerifySettings, progress: Progress) -> Verified:
    provider = bundle.manifest.spec.provider
    if settings.emulate is None:
        command, seconds = worker_for(settings.worker, provider), settings.seconds
    else:
        command, seconds = emulated(settings.emulate), None
        progress.remark(
            f"Emulating {settings.emulate} takes seconds for each of the {len(bundle.manifest.golden.images)} golden "
            "images; nothing is timed."
        )
    with Worker(command) as worker:
        return run_verification(
            bundle, worker, seconds=seconds, heard=lambda done, total: progress.step(STEP, done, total)
        )


def _result(settings: VerifySettings, found: Verified) -> VerifyResult:
    return VerifyResult(
        ok=found.ok,
        reasons=tuple(f"{reason}." for reason in found.reasons),
        bundle=str(settings.bundle),
        version=found.version,
        images=found.images,
        accuracy=found.accuracy,
        agreement=found.agreement,
        sqnr_db=found.sqnr_db,
        latency=found.latency,
        provider=found.report.provider,
        precision=found.report.precision,
        emulated=settings.emulate,
    )
