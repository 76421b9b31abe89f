"""`edgetl models`."""

from __future__ import annotations

import click

from edgetl.cli import options, output


@click.command(
    epilog="""\b
Examples:
  edgetl models
  edgetl models --json
"""
)
@options.json
def models(as_json: bool) -> None:
    """List the backbones that can be chosen, with their cost and published accuracy."""
    import dataclasses

    from edgetl.backbones import BACKBONES
    from edgetl.reporting import catalogue

    value = {"models": [dataclasses.asdict(backbone) for backbone in BACKBONES.values()]}
    output.show(value, as_json, lambda: catalogue.models(tuple(BACKBONES.values())))
