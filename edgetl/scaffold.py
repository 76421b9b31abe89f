"""The files that a repository of models starts with: settings, and a CI job that checks each change of a model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal

from edgetl import backbones, targets
from edgetl.defaults import ARCH
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
class Wanted:
    """What the files shall say: the images, the device class, the backbone, and whose CI runs the job; None is open."""

    data: str | None = None
    target: str | None = None
    arch: str | None = None
    ci: CI | None = None

    @property
    def job_alone(self) -> bool:
        """Whether nothing is said of the settings, and a job is asked for."""
        return self.ci is not None and self.data is self.target is self.arch is None


@dataclass(frozen=True)
class Scaffold:
    """What was ``written``, and what was there and ``kept``; relative to the folder."""

    written: tuple[Path, ...]
    kept: tuple[Path, ...]


def scaffold(folder: Path, wanted: Wanted, *, force: bool) -> Scaffold:
    """Write the settings file, and where one is wanted a CI job, into ``folder``.

    A file that is there is replaced only with ``force``: raises UsageError for one, before any is written. Settings
    that are there are kept where a job alone is asked for. Raises ConfigError for an unknown target, UsageError for an
    unknown backbone.
    """
    if wanted.target is not None and wanted.target != targets.HOST:
        targets.load(wanted.target)
    if wanted.arch is not None:
        backbones.backbone(wanted.arch)
    kept = (SETTINGS,) if wanted.job_alone and not force and _is_there(folder / SETTINGS) else ()
    texts = {SETTINGS: settings(wanted), **({WORKFLOWS[wanted.ci]: workflow(wanted.ci)} if wanted.ci else {})}
    new = {path: text for path, text in texts.items() if path not in kept}
    for path in new:
        if not force and _is_there(folder / path):
            raise UsageError(f"{path} is already there. Add --force to replace it.")
    for path, text in new.items():
        _write(folder / path, text)
    return Scaffold(tuple(new), kept)


def settings(wanted: Wanted) -> str:
    """Return the text of ``edgetl.toml``, in which all that is not ``wanted`` is a comment."""
    lines = {
        "data": _line("data", wanted.data, "photos/"),
        "target": _line("target", wanted.target, targets.HOST),
        "arch": _line("arch", wanted.arch, ARCH),
    }
    return Template(_template(SETTINGS.name)).substitute(lines)


def _line(key: str, value: str | None, example: str) -> str:
    # A string of JSON is one of TOML.
    return f"# {key} = {json.dumps(example)}" if value is None else f"{key} = {json.dumps(value, ensure_ascii=False)}"


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
