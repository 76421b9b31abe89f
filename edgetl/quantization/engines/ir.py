"""OpenVINO's two files as one: a zip with exactly ``model.xml`` and ``model.bin``, stored and not compressed.

A runner is sent one blob, and a hash names the whole. `edgetl.device.providers.openvino` reads it.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MEMBERS = ("model.xml", "model.bin")
# Under what ``facts`` stand in the XML.
RT_INFO = "edgetl"


def encode(model: Any, facts: Mapping[str, str]) -> bytes:
    """Return the file of an openvino.Model that also carries ``facts``; the same model gives the same bytes."""
    import openvino

    for name, value in sorted(facts.items()):
        model.set_rt_info(value, [RT_INFO, name])
    file = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="edgetl-") as folder, zipfile.ZipFile(file, "w") as archive:
        paths = [Path(folder) / name for name in MEMBERS]
        openvino.serialize(model, *map(str, paths))
        for path in paths:
            archive.writestr(_entry(path.name), path.read_bytes())
    return file.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    """Return a member's header without the time and the system that it was written at."""
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    return entry
