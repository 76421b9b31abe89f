"""What the shell is offered for a value: names that are here, found without loading anything that takes time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem

from edgetl.defaults import RUNS

Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _offering(names: Callable[[], Iterable[str]], *, paths: bool = False) -> Offer:
    """Return a callback that offers those of ``names`` that begin as typed; with ``paths`` files for anything else."""

    def offer(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
        found = [CompletionItem(name) for name in names() if name.startswith(typed)]
        # A shell that is told "file" completes paths by itself.
        return [*found, CompletionItem(typed, type="file")] if paths and not found else found

    return offer


def _targets() -> list[str]:
    from edgetl.files import data_dir

    return ["host", *sorted(path.stem for path in data_dir("targets").glob("*.toml"))]


def _runs() -> list[str]:
    from pathlib import Path

    # That of the run folder: `edgetl.runs` is not loaded for it.
    return sorted(path.name for path in Path(RUNS).glob("*/") if not path.name.startswith("."))


def _backbones() -> list[str]:
    from edgetl.backbones import BACKBONES

    return list(BACKBONES)


def _providers() -> list[str]:
    from edgetl.device.providers import PROVIDERS

    return [name for name in PROVIDERS if name != "fake"]


def _pages() -> list[str]:
    from edgetl import pages

    return pages.names()


def _processors() -> list[str]:
    return list(dict.fromkeys(("avx2", "arm64", *_targets()[1:])))


def _candidates() -> list[str]:
    """Return the names of the last run's candidates."""
    import json
    from pathlib import Path

    try:
        stored = json.loads(Path("runs/latest/quantize.json").read_text(encoding="utf-8"))
        return [str(each["name"]) for each in stored["candidates"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _environments() -> list[str]:
    from edgetl.environments.known import ENVIRONMENTS

    return list(ENVIRONMENTS)


target = _offering(_targets, paths=True)
run = _offering(_runs, paths=True)
backbone = _offering(_backbones)
provider = _offering(_providers)
processor = _offering(_processors)
candidate = _offering(_candidates)
page = _offering(_pages)
side = _offering(lambda: [*_candidates(), *_runs()], paths=True)
weights = _offering(lambda: ("imagenet", "embedded", "none"), paths=True)
environment = _offering(_environments)
duration = _offering(lambda: ("30s", "90s", "5m", "10m", "1h"))


class Choice(click.Choice[Any]):
    """A choice that tells a misspelt one with the nearest that there is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the choice; raises BadParameter for what is none."""
        from edgetl.errors import nearest

        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            raise click.BadParameter(f"{error.message}{nearest(str(value), self.choices)}", ctx, param) from None
