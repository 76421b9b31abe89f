"""The group of all commands: settings from ``edgetl.toml``, errors as sentences, the nearest right command."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from edgetl.cli import interruption, output
from edgetl.errors import EXIT_UNMEASURED, EXIT_USAGE, ConfigError, EdgetlError, Interruption, nearest

SETTINGS = Path("edgetl.toml")
# What holds for every stage that does not know better.
INTERRUPTED = "Interrupted. What was finished before is kept; the same command goes on from there."
# Which extra brings a module that some stage needs and the base install does not have.
EXTRAS = dict.fromkeys(("torch", "torchvision", "onnx", "onnx_ir", "onnxscript", "safetensors"), "train") | {
    "onnxruntime": "cpu",
    "openvino": "openvino",
    "nncf": "nncf",
    "model_signing": "sign",
    "jinja2": "report",
    "vl_convert": "report",
}


class Failure(click.ClickException):
    """An error on its way to the user: one sentence on stderr, and with ``--json`` one object on stdout.

    ``docs`` is the page that helps on, empty where the sentence says all.
    """

    def __init__(self, message: str, exit_code: int, as_json: bool, docs: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance
        self.as_json = as_json
        self.docs = docs

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - click's signature
        """Print the sentence to stderr, and below it where to read more."""
        colour = output.colour()
        click.secho("Error: ", fg="red", bold=True, nl=False, err=True, color=colour)
        click.echo(self.message, err=True)
        if self.docs:
            click.secho(f"More: edgetl docs {self.docs}", dim=True, err=True, color=colour)
        if self.as_json:
            told = {"message": self.message, "exit_code": self.exit_code, "docs": self.docs or None}
            click.echo(json.dumps({"error": told}, ensure_ascii=False))


class Named(click.Group):
    """Commands in the order in which they are used; a misspelt one is told with the nearest that there is."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order in which they were added."""
        return list(self.commands)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command, or say which one is nearest."""
        name = args[0] if args else ""
        if name not in self.commands and not name.startswith("-"):
            raise click.UsageError(f"There is no command '{name}'.{nearest(name, self.commands)}", ctx)
        return super().resolve_command(ctx, args)


class Edgetl(Named):
    """All commands of ``edgetl``."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; every error that a user can meet becomes one sentence and its exit code."""
        as_json = "--json" in ctx.args
        with interruption.endable() as ending:
            try:
                ctx.default_map = settings(self, SETTINGS)
                return super().invoke(ctx)
            except click.exceptions.Exit:
                raise
            except click.ClickException as error:
                placed = _placed(error)
                if as_json:
                    raise Failure(placed.format_message(), error.exit_code, as_json) from error
                raise placed from error
            except (KeyboardInterrupt, click.Abort) as error:
                message = str(error) if isinstance(error, Interruption) else INTERRUPTED
                raise Failure(message, ending.exit_code, as_json) from None
            except BrokenPipeError:
                raise
            except Exception as error:
                if ctx.params.get("debug"):
                    raise
                raise _failure(error, as_json) from error


# The command that does all stages, these; a time of its own is for all of them together.
WHOLE, STAGES, TIME = "run", ("check", "bench", "quantize", "export", "finetune"), "time-budget"


def _placed(error: click.ClickException) -> click.ClickException:
    """Return ``error``, which says where its value stands if nobody typed it."""
    if not isinstance(error, click.BadParameter) or error.ctx is None or error.param is None:
        return error
    if error.ctx.get_parameter_source(str(error.param.name)) is not ParameterSource.DEFAULT_MAP:
        return error
    return click.BadParameter(f"{error.message.rstrip('.')} (it stands in {SETTINGS}).", error.ctx, error.param)


def _failure(error: Exception, as_json: bool) -> Failure:
    if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
        extra = EXTRAS[error.name]
        return Failure(f"{error.name} is not installed here. Run: pip install 'edgetl[{extra}]'", EXIT_USAGE, as_json)
    if isinstance(error, EdgetlError):
        return Failure(str(error), error.exit_code, as_json, error.docs)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure("The disk is full. Free some space and repeat the command.", EXIT_USAGE, as_json)
    if isinstance(error, OSError) and error.filename:
        return Failure(f"{error.filename}: {error.strerror}.", EXIT_USAGE, as_json)
    kind = type(error).__name__
    return Failure(
        f"edgetl itself failed ({kind}: {error}). `edgetl --debug ...` shows where; please report it.",
        EXIT_UNMEASURED,
        as_json,
    )


def settings(group: click.Group, path: Path) -> dict[str, Any]:
    """Return click's ``default_map`` from a settings file, empty when there is none.

    Keys are the names of options. Those at the top of the file hold for every command that has such an option; a table
    named after a command holds for that command and wins. What tables of stages say holds in `run` as well, where its
    own does not say otherwise, but for their time. Raises ConfigError for a key that no command has.
    """
    if not path.is_file():
        return {}
    from edgetl.settings import read_toml

    data = read_toml(path)
    tables = {key: value for key, value in data.items() if isinstance(value, dict)}
    common = {key: value for key, value in data.items() if not isinstance(value, dict)}
    options = {name: _by_option(command) for name, command in group.commands.items()}
    for name, table in tables.items():
        if name not in options:
            raise ConfigError(f"{path}: there is no command '{name}'.{nearest(name, options)}")
        _known(path, f"{name}.", table, [options[name]])
    _known(path, "", common, list(options.values()))
    staged = {key: value for stage in STAGES for key, value in tables.get(stage, {}).items() if _spelt(key) != TIME}
    tables[WHOLE] = {**staged, **tables.get(WHOLE, {})}
    return {
        name: {
            str(known[_spelt(key)].name): _value(known[_spelt(key)], value)
            for key, value in {**common, **tables.get(name, {})}.items()
            if _spelt(key) in known and _takes(known[_spelt(key)], value)
        }
        for name, known in options.items()
    }


def _by_option(command: click.Command) -> dict[str, click.Parameter]:
    """Return the command's options by what follows their dashes, as in ``--batch-size``."""
    return {
        option.removeprefix("--"): parameter
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }


def _spelt(key: str) -> str:
    """Return a key as the option is spelt: TOML's own habit are underscores."""
    return key.replace("_", "-")


def _takes(parameter: click.Parameter, value: Any) -> bool:
    return _repeats(parameter) or not isinstance(value, list)


def _value(parameter: click.Parameter, value: Any) -> Any:
    """Return ``value`` as click takes it: a single one of an option that may be repeated is a list of one."""
    return [value] if _repeats(parameter) and not isinstance(value, list) else value


def _repeats(parameter: click.Parameter) -> bool:
    return bool(getattr(parameter, "multiple", False))


def _known(path: Path, prefix: str, table: dict[str, Any], commands: Sequence[Mapping[str, click.Parameter]]) -> None:
    """Raise ConfigError for a key of ``table`` that none of these commands has, or has for such a value."""
    for key, value in table.items():
        having = [options[_spelt(key)] for options in commands if _spelt(key) in options]
        if not having:
            known = set().union(*commands)
            raise ConfigError(f"{path}: unknown key '{prefix}{key}'.{nearest(_spelt(key), known)}")
        if not any(_takes(parameter, value) for parameter in having):
            raise ConfigError(f"{path}: '{prefix}{key}' takes one value, not a list.")
