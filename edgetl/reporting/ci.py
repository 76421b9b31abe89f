"""A verdict where CI looks for it: report files, annotations and the summary of the job."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from edgetl.artifacts import CheckResult
from edgetl.errors import MeasureError, UsageError
from edgetl.files import require_place, write_text
from edgetl.reporting import github, gitlab, junit, markdown, plain
from edgetl.reporting.lines import line

_RENDERED: Mapping[str, Callable[[CheckResult], str]] = {
    "junit": junit.junit,
    "markdown": markdown.check,
    "code_quality": gitlab.code_quality,
    "metrics": gitlab.metrics,
    "text": plain.check,
}

_UNMEASURED = "edgetl check could not measure"


@dataclass(frozen=True)
class Reports:
    """The files to write, None for those that nobody asked for."""

    junit: Path | None = None
    markdown: Path | None = None
    code_quality: Path | None = None
    metrics: Path | None = None
    text: Path | None = None

    @property
    def asked(self) -> dict[str, Path]:
        """The files to write, by their kind."""
        paths = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: path for name, path in paths.items() if path is not None}


def require(reports: Reports) -> None:
    """Raise UsageError for a file that could not be written or is named twice: before anything is measured for it."""
    taken: dict[Path, str] = {}
    for name, path in reports.asked.items():
        other = taken.setdefault(path.absolute(), name)
        if other != name:
            raise UsageError(f"--{_option(other)} and --{_option(name)} both name {path}. Name a file for each.")
        if path.is_dir():
            raise UsageError(f"The report {path} cannot be written: it is a folder. Name a file in it.")
        try:
            require_place(path.parent)
        except UsageError as error:
            raise _unwritable(path, error) from error


def write(result: CheckResult, reports: Reports, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Write the reports that are asked for, and return their files; raises UsageError where one cannot be written.

    In a job of GitHub Actions, as ``environment`` says, annotations go to stderr (GitHub reads both streams, and stdout
    is for the result) and the Markdown is added to the summary of the job. Nobody asked for that summary: one that
    cannot be written is a line on stderr, and the verdict stands.
    """
    _write({path: _RENDERED[name](result) for name, path in reports.asked.items()})
    if environment.get("GITHUB_ACTIONS") == "true":
        sys.stderr.write(github.annotations(result))
        sys.stderr.flush()
        if summary := environment.get("GITHUB_STEP_SUMMARY"):
            _append(Path(summary), markdown.check(result))
    return tuple(reports.asked.values())


def write_unmeasured(error: MeasureError, reports: Reports, environment: Mapping[str, str]) -> None:
    """Write why there is no verdict, where people look for one; raises UsageError where it cannot be written.

    GitLab's widgets have no place for it: an old report there would be worse than none, and none is written.
    """
    said = line(str(error))
    texts = {
        "junit": junit.unmeasured(said),
        "markdown": f"**{_UNMEASURED}.** {said}\n",
        "text": f"{_UNMEASURED}: {said}\n",
    }
    _write({path: texts[name] for name, path in reports.asked.items() if name in texts})
    if environment.get("GITHUB_ACTIONS") == "true":
        sys.stderr.write(github.unmeasured(said))
        sys.stderr.flush()


def _write(texts: Mapping[Path, str]) -> None:
    for path, text in texts.items():
        try:
            write_text(path, text)
        except (UsageError, OSError) as error:
            raise _unwritable(path, error) from error


def _append(path: Path, text: str) -> None:
    """Add to a file that other commands of the same step may have begun."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n{text}" if file.tell() else text)
    except OSError as error:
        sys.stderr.write(line(f"The summary of this job is left out: {path} cannot be written ({_why(error)}).") + "\n")


def _unwritable(path: Path, error: Exception) -> UsageError:
    return UsageError(f"The report {path} cannot be written: {_why(error)}. Name another file.")


def _why(error: Exception) -> str:
    cause = error if isinstance(error, OSError) else error.__cause__
    return cause.strerror if isinstance(cause, OSError) and cause.strerror else "its folder may not be written to"


def _option(name: str) -> str:
    return name.replace("_", "-")
