"""`edgetl verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgetl.cli import options, output
from edgetl.errors import EXIT_FAIL, EXIT_PASS


@click.command(
    epilog="""\b
Examples:
  edgetl verify surface.pyz                           hashes, answers and latency on this machine
  edgetl verify surface.pyz --key public.pem          and the signature
  edgetl verify surface.pyz --emulate avx2            as a CPU without VNNI computes it
  edgetl verify surface.pyz --emulate raspberry-pi-5
  edgetl verify surface.pyz --on ssh://pi@line-1
Exit codes: 0 ok, 1 not ok, 2 bad input, 3 when the model cannot run there
"""
)
@click.argument("bundle", type=options.FOLDER)
@click.option("--key", type=options.FOLDER, help="Refuse what was not signed with this public key's private one (PEM).")
@click.option("--emulate", metavar="CPU", help="Run under emulation: avx2, arm64 or a target's name. Nothing is timed.")
@click.option("--on", help=options.ON)
@click.option("--no-timing", is_flag=True, help="Check answers only.")
@options.json
def verify(bundle: Path, on: str | None, no_timing: bool, as_json: bool, **given: Any) -> None:
    """Check a bundle: every byte of it, its signature, and that its model does what it did where it was made."""
    from edgetl.environments.local import local_command
    from edgetl.measure.remote import worker_command
    from edgetl.report import shipping
    from edgetl.verify.stage import SECONDS, VerifySettings
    from edgetl.verify.stage import verify as stage

    if on is not None and given["emulate"] is not None:
        raise click.UsageError("--on names a real machine and --emulate a pretended one: leave one of them out.")
    worker = local_command() if on is None else worker_command(on)
    seconds = None if no_timing else SECONDS
    asked = VerifySettings(bundle=bundle, worker=worker, seconds=seconds, **given)
    with output.progress() as progress:
        result = stage(asked, progress)
    output.show(result.model_dump(mode="json"), as_json, lambda: shipping.verify(result))
    raise SystemExit(EXIT_PASS if result.ok else EXIT_FAIL)
