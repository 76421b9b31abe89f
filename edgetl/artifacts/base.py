"""What all values that stages hand on have in common: frozen, validated, and an artifact's file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import pydantic

from edgetl import __version__
from edgetl.errors import RunError
from edgetl.files import write_text

SCHEMA_VERSION = 1

A = TypeVar("A", bound="Artifact")
Interval = tuple[float, float]
# Who said what an image shows.
LabelledBy = Literal["people", "model"]
# What a share of right answers is, by who labelled the images.
MEASURES: Mapping[LabelledBy, str] = {"people": "top-1", "model": "agreement with fp32"}


class Value(pydantic.BaseModel):
    """A frozen value in which a misspelt key is an error."""

    # An interval may be open; JSON has no number for that.
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows of a stage's result: what its command prints. None is the usual text."""
        from edgetl.reporting.notebook import html

        return html(self)


def _now() -> str:
    """Return the time, UTC, as ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Artifact(Value):
    """A stage's result. ``run`` is the run's folder; ``inputs`` the hash of all that decided this result.

    ``created`` is when, UTC, as ISO 8601.
    """

    FILE: ClassVar[str]

    schema_version: int = SCHEMA_VERSION
    edgetl: str = __version__
    run: str
    inputs: str
    seconds: float
    created: str = pydantic.Field(default_factory=_now)

    def save(self, folder: Path) -> None:
        """Write this artifact into a run's folder, atomically."""
        write_text(folder / self.FILE, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls: type[A], folder: Path) -> A:
        """Return the artifact stored in ``folder``; raises RunError when it is missing, newer or damaged."""
        path = folder / cls.FILE
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            version = data["schema_version"]
        except FileNotFoundError:
            stage = path.stem
            raise RunError(f"{folder} has no {path.name}. Run `edgetl {stage}` first.") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path} is not an edgetl artifact ({error}). Make it again.") from error
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise RunError(
                f"{path} was written by edgetl {data.get('edgetl', '?')} (schema {version}); this is edgetl "
                f"{__version__} (schema {SCHEMA_VERSION}). Upgrade edgetl, or make the run again."
            )
        try:
            return cls.model_validate(data)
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise RunError(f"{path} is damaged at '{where}': {first['msg']}. Make it again.") from error
