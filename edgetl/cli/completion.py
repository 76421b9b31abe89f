"""`edgetl completion`."""

from __future__ import annotations

import click

# Of the program, as click derives it from its name.
VARIABLE = "_EDGETL_COMPLETE"


@click.command(
    epilog="""\b
Examples:
  edgetl completion bash >> ~/.bashrc                                    then open a new shell
  edgetl completion zsh >> ~/.zshrc                                      after the line with compinit
  edgetl completion fish > ~/.config/fish/completions/edgetl.fish
\b
Completed are commands, options, and the names of targets, runs, backbones, providers and candidates.
"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes a shell complete edgetl's commands, options and names with TAB."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None, "click knows these three"
    click.echo(found(ctx.find_root().command, {}, "edgetl", VARIABLE).source())
