"""`edgetl verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgetl import api
from edgetl.cli import complete, options, output
from edgetl.defaults import VERIFY_S
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
@click.option(
    "--emulate",
    metavar="CPU",
    shell_complete=complete.processor,
    help="Run under emulation: avx2, arm64 or a target's name. Nothing is timed.",
)
@click.option("--on", help=options.ON)
@click.option("--no-timing", is_flag=True, help="Check answers only.")
@options.json
def verify(bundle: Path, no_timing: bool, as_json: bool, **given: Any) -> None:
    """Check a bundle: every byte of it, its signature, and that its model does what it did where it was made."""
    from edgetl.reporting import shipping

    with output.progress() as progress:
        result = api.verify(bundle, seconds=None if no_timing else VERIFY_S, progress=progress, **given)
    output.show(result.model_dump(mode="json"), as_json, lambda: shipping.verify(result))
    raise SystemExit(EXIT_PASS if result.ok else EXIT_FAIL)
