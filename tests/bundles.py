"""Small bundles whose model is a script of the `fake` provider: every answer and every latency is known beforehand."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgetl.bundling import program
from edgetl.device.bundle import archive
from edgetl.device.bundle.manifest import Golden, Limits, Machine, Manifest
from edgetl.device.bundle.opened import MANIFEST, MODELS, SUMS, sums_text
from edgetl.device.machine import facts
from edgetl.device.values import Preprocess, SessionSpec
from edgetl.targets import architecture

CLASSES = ("dark", "middle", "bright")
LEVELS = (30, 120, 210)
MS = 1_000_000
NONE = Limits()
HERE = Machine(architecture(str(facts()["architecture"])))


def contents(
    name: str = "surface",
    machine: Machine = HERE,
    limits: Limits = NONE,
    spec: SessionSpec | None = None,
    **script: Any,
) -> dict[str, archive.Content]:
    """Return the members of a bundle whose model is always right and takes 1 ms, unless ``script`` says otherwise."""
    images = tuple(f"golden/{index:04}.png" for index in range(6))
    logits = np.eye(3, dtype=np.float32)[[index % 3 for index in range(6)]]
    manifest = Manifest(
        name=name,
        edgetl="0",
        model=MODELS[".json"],
        spec=spec or SessionSpec("fake", "int8", 1),
        classes=CLASSES,
        preprocess=Preprocess(resize=8, crop=8),
        target="test",
        machine=machine,
        limits=limits,
        golden=Golden(images, tuple(index % 3 for index in range(6)), "golden/a.npy", "golden/b.npy", 20.0, 1),
    )
    told = {"classes": 3, "logits": {"by": "brightness"}, "latency_ns": [MS], **script}
    members: dict[str, archive.Content] = {
        **program.members(),
        **{image: _png(LEVELS[index % 3]) for index, image in enumerate(images)},
        "golden/a.npy": npy(logits),
        "golden/b.npy": npy(logits),
        MODELS[".json"]: json.dumps(told).encode(),
        MANIFEST: manifest.encoded(),
        "MODEL_CARD.md": b"# A test\n",
    }
    return summed(members)


def summed(members: Mapping[str, archive.Content]) -> dict[str, archive.Content]:
    """Return ``members`` with a list of hashes that is right."""
    rest = {name: content for name, content in members.items() if name != SUMS}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in rest.items() if isinstance(content, bytes)}
    return {**rest, SUMS: sums_text(hashes)}


def encoded(members: Mapping[str, archive.Content]) -> bytes:
    """Return the bytes of a bundle."""
    file = io.BytesIO()
    archive.write(file, members)
    return file.getvalue()


def bundle(path: Path, **given: Any) -> Path:
    """Write a bundle (see `contents`) to ``path`` and return it."""
    path.write_bytes(encoded(contents(**given)))
    return path


def npy(array: np.ndarray[Any, Any]) -> bytes:
    """Return an array as the content of a file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _png(level: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(file, "PNG")
    return file.getvalue()
