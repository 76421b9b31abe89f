"""`edgetl --version`: this program's version, and what it would run models with."""

from __future__ import annotations

import click

from edgetl import __version__

# Distributions that decide what a stage computes; those of ONNX Runtime all bring the same module.
ENGINES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "openvino", "torch", "torchvision", "nncf")


def show(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """Print edgetl's version in the first line, then Python's and those of the engines that are installed; and end."""
    if not wanted or ctx.resilient_parsing:
        return
    import platform
    from importlib.metadata import PackageNotFoundError, version

    click.echo(f"edgetl {__version__}")
    click.echo(f"python {platform.python_version()}")
    for name in ENGINES:
        try:
            click.echo(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    ctx.exit()


option = click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show,
    help="Show the versions of edgetl and of the engines here, and exit.",
)
