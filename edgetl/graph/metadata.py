"""What a model file says of itself, in ONNX ``metadata_props`` under the prefix ``edgetl.``."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import onnx

from edgetl import __version__
from edgetl.device.values import Preprocess

PREFIX = "edgetl."
SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class ModelFacts:
    """What a model file carries beside its graph.

    ``parent_sha256`` is the file that this one was made from: the classifier for an fp32 model, the fp32 model for a
    quantized one, whose ``recipe`` is the recipe's content. The logits are the classifier's divided by ``temperature``.
    """

    arch: str
    classes: tuple[str, ...]
    preprocess: Preprocess
    layout: str
    parent_sha256: str
    data_sha256: str
    recipe: dict[str, Any] | None = None
    temperature: float = 1.0


def entries(facts: ModelFacts) -> dict[str, str]:
    """Return ``facts`` as the texts that a model file carries, by their names without the prefix."""
    texts = {
        "schema": str(SCHEMA),
        "version": __version__,
        "arch": facts.arch,
        "classes": json.dumps(facts.classes, ensure_ascii=False),
        "preprocess": json.dumps(dataclasses.asdict(facts.preprocess), sort_keys=True),
        "layout": facts.layout,
        "parent_sha256": facts.parent_sha256,
        "data_sha256": facts.data_sha256,
        "temperature": repr(facts.temperature),
    }
    if facts.recipe is not None:
        texts["recipe"] = json.dumps(facts.recipe, sort_keys=True)
    return texts


def write(model: onnx.ModelProto, facts: ModelFacts) -> None:
    """Put ``facts`` into ``model`` in place; other tools' entries stay, older ones of edgetl go."""
    others = {entry.key: entry.value for entry in model.metadata_props if not entry.key.startswith(PREFIX)}
    onnx.helper.set_model_props(model, others | {PREFIX + key: value for key, value in sorted(entries(facts).items())})


def read(path: Path) -> ModelFacts:
    """Return what the model file at ``path`` carries; raises KeyError when edgetl did not write it."""
    model = onnx.load(path, load_external_data=False)
    texts = {entry.key.removeprefix(PREFIX): entry.value for entry in model.metadata_props}
    return ModelFacts(
        arch=texts["arch"],
        classes=tuple(json.loads(texts["classes"])),
        preprocess=Preprocess.from_json(json.loads(texts["preprocess"])),
        layout=texts["layout"],
        parent_sha256=texts["parent_sha256"],
        data_sha256=texts["data_sha256"],
        recipe=json.loads(texts["recipe"]) if "recipe" in texts else None,
        temperature=float(texts.get("temperature", 1.0)),
    )
