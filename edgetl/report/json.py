"""Artifacts as the objects that ``--json`` prints: the keys that scripts rely on (docs/json.md)."""

from __future__ import annotations

from typing import Any

from edgetl.artifacts import Artifact

_INTERNAL = {"schema_version", "edgetl", "inputs"}


def as_object(artifact: Artifact) -> dict[str, Any]:
    """Return an artifact's documented keys as JSON data; file names in it are relative to its ``run``."""
    return artifact.model_dump(mode="json", exclude=_INTERNAL)
