"""The files that a repository of models starts with: settings, and a CI job that checks each change of a model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal

from edgetl import targets
from edgetl.errors import UsageError
from edgetl.files import write_text

CI = Literal["github", "gitlab"]

SETTINGS = Path("edgetl.toml")
WORKFLOWS: dict[str, Path] = {
    "github": Path(".github/workflows/edgetl.yml"),
    "gitlab": Path(".gitlab-ci.edgetl.yml"),
}
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Scaffold:
    """What was ``written``, and what was there and ``kept``; relative to the folder."""

    written: tuple[Path, ...]
    kept: tuple[Path, ...]


def scaffold(folder: Path, *, ci: CI | None, target: str | None, force: bool) -> Scaffold:
    """Write the settings file, and with ``ci`` its job, into ``folder``.

    A file that is there is replaced only with ``force``: raises UsageError for one, before any is written. Settings
    that are there are kept where a job alone is asked for. Raises ConfigError for an unknown target.
    """
    if target is not None and target != targets.HOST:
        targets.load(target)
    kept = (SETTINGS,) if ci and target is None and not force and _is_there(folder / SETTINGS) else ()
    texts = {SETTINGS: settings(target), **({WORKFLOWS[ci]: workflow(ci)} if ci else {})}
    wanted = {path: text for path, text in texts.items() if path not in kept}
    for path in wanted:
        if not force and _is_there(folder / path):
            raise UsageError(f"{path} is already there. Add --force to replace it.")
    for path, text in wanted.items():
        _write(folder / path, text)
    return Scaffold(tuple(wanted), kept)


def settings(target: str | None) -> str:
    """Return the text of ``edgetl.toml``, in which all but ``target`` is a comment."""
    # A string of JSON is one of TOML.
    line = f'# target = "{targets.HOST}"' if target is None else f"target = {json.dumps(target, ensure_ascii=False)}"
    return Template(_template(SETTINGS.name)).substitute(target=line)


def workflow(ci: CI) -> str:
    """Return the text of the CI job."""
    return _template(f"{ci}.yml")


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _is_there(path: Path) -> bool:
    # A link to nothing is somebody's, too.
    return path.exists() or path.is_symlink()


def _write(path: Path, text: str) -> None:
    try:
        write_text(path, text)
    except UsageError as error:
        why = error.__cause__.strerror if isinstance(error.__cause__, OSError) else "its folder may not be written to"
        raise UsageError(f"{path} cannot be written: {why}. Run edgetl in a folder of yours.") from error
