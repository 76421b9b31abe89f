"""Artifacts as the objects that ``--json`` prints: the keys that scripts rely on (docs/json.md)."""

from __future__ import annotations

from typing import Any

from edgetl.artifacts import Artifact, RunResult

_INTERNAL = {"schema_version", "edgetl", "inputs"}


def as_object(artifact: Artifact) -> dict[str, Any]:
    """Return an artifact's documented keys as JSON data; file names in it are relative to its ``run``."""
    return artifact.model_dump(mode="json", exclude=_INTERNAL)


def run(result: RunResult) -> dict[str, Any]:
    """Return run, verdict, and each stage's object under its name."""
    stages = {name: as_object(getattr(result, name)) for name in RunResult.model_fields}
    return {"run": result.check.run, "verdict": result.check.verdict, **stages}
