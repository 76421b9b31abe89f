"""The questions of `edgetl init`: each with an answer that Enter takes, and nothing is written before the last one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import click

from edgetl.defaults import ARCH, TARGET
from edgetl.errors import EdgetlError, Interruption
from edgetl.scaffold import CI, Wanted

DEMO = "demo"
# Where images often lie.
USUAL = ("photos", "images", "data")
NO_CI = "none"

T = TypeVar("T")


def ask(settings: Path) -> tuple[Wanted, bool]:
    """Return what the person at the terminal wants, and whether settings that are there shall go.

    Raises Interruption when they end it.
    """
    try:
        replace = settings.exists() and click.confirm(f"{settings} is already there. Replace it?", default=False)
        if settings.exists() and not replace:
            return Wanted(ci=_ci()), False
        return Wanted(_data(), _target(), _arch(), _ci()), replace
    except click.Abort:
        raise Interruption("Interrupted. Nothing was written.") from None


def _data() -> str | None:
    here = next((f"{name}/" for name in USUAL if Path(name).is_dir()), DEMO)
    question = f"Your photos: a folder of class folders, or a manifest ({DEMO}: the built-in images)"
    answer = str(click.prompt(question, default=here, value_proc=_checked(_found)))
    return None if answer == DEMO else answer


def _found(answer: str) -> str:
    from edgetl.errors import UsageError, nearest_path

    place = Path(answer).expanduser()
    if answer != DEMO and not place.exists():
        raise UsageError(f"There is no folder or manifest {answer}.{nearest_path(place)}")
    return answer


def _target() -> str | None:
    from edgetl import targets

    click.echo(f"Device classes: {', '.join((TARGET, *targets.names()))}")
    question = f"Device class that the models are for ({TARGET}: this machine)"
    answer = str(click.prompt(question, default=TARGET, value_proc=_checked(lambda name: targets.load(name) and name)))
    return None if answer == TARGET else answer


def _arch() -> str | None:
    from edgetl.backbones import backbone

    question = "Backbone to start from (`edgetl models` lists them, `edgetl rank` compares them)"
    answer = str(click.prompt(question, default=ARCH, value_proc=_checked(lambda name: backbone(name).name)))
    return None if answer == ARCH else answer


def _ci() -> CI | None:
    here = "github" if Path(".github").is_dir() else "gitlab" if Path(".gitlab-ci.yml").is_file() else NO_CI
    choice = click.Choice((NO_CI, "github", "gitlab"))
    answer = click.prompt("A CI job that checks changes of a model", type=choice, default=here)
    return None if answer == NO_CI else cast(CI, answer)


def _checked(check: Callable[[str], T]) -> Callable[[str], T]:
    """Return ``check`` for a prompt, which tells what is wrong with an answer and asks again."""

    def checked(answer: str) -> T:
        try:
            return check(answer)
        except EdgetlError as error:
            raise click.UsageError(str(error)) from None

    return checked
