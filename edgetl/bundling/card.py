"""The model card: what a person who finds the file wants to know."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Any

from edgetl.device.bundle.manifest import Manifest
from edgetl.device.bundle.signal import off

TEMPLATE = Path(__file__).parent.parent / "templates" / "model_card.md"


def card(manifest: Manifest) -> str:
    """Return the card in Markdown."""
    about, target = manifest.about, manifest.about["target"]
    candidate = about["candidate"]
    fields = {
        "name": manifest.name,
        "edgetl": manifest.edgetl,
        "target": f"{manifest.target}: {target['description']}",
        "verdict": about["verdict"] or "none was given",
        "candidate": candidate["name"],
        "provider": candidate["provider"],
        "precision": candidate["precision"],
        "recipe": candidate["recipe"] or "none",
        "size": f"{candidate['size_bytes'] / 1e6:.2f} MB",
        "accuracy": _share(candidate["accuracy"]),
        "agreement": _share(candidate["agreement"]),
        "latency": _latency(candidate),
        "measured_on": about["measured_on"],
        "classes": "\n".join(f"{index}. {name}" for index, name in enumerate(manifest.classes)),
        "resize": manifest.preprocess.resize,
        "crop": manifest.preprocess.crop,
        "interpolation": manifest.preprocess.interpolation,
        "golden": len(manifest.golden.images),
        "least": off(manifest.golden.least_sqnr_db),
        "own": off(about["sqnr_db"]),
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(fields)


def _share(value: Any) -> str:
    return "not measured" if value is None else f"{value:.1%}"


def _latency(candidate: dict[str, Any]) -> str:
    if candidate["latency_p50_ms"] is None:
        return "not measured"
    faster = f", {candidate['speedup']:.2f} times as fast as fp32" if candidate["speedup"] else ""
    return f"p50 {candidate['latency_p50_ms']:.2f} ms{faster}"
