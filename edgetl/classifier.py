"""A trained classifier: what it is, a frozen value, and its tensors in a safetensors file that carries that value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic

from edgetl import backbones, heads
from edgetl.artifacts import SCHEMA_VERSION, Value
from edgetl.device.values import Preprocess
from edgetl.errors import RunError
from edgetl.files import write_bytes

if TYPE_CHECKING:
    from torch import Tensor, nn

FILE = "classifier.safetensors"
METADATA = "edgetl.classifier"
BACKBONE = "backbone."
HEAD = "head."


class Classifier(Value):
    """What a classifier's tensors mean. ``head`` is in the notation of `heads.parse`."""

    schema_version: int = SCHEMA_VERSION
    arch: str
    head: str
    classes: tuple[str, ...]
    preprocess: Preprocess


def build_module(classifier: Classifier) -> nn.Module:
    """Return the network with random weights: float NCHW images, normalized, to logits (N, classes).

    Its two parts are called ``backbone`` and ``head``. Raises UsageError for an arch that this edgetl does not know.
    """
    return _assemble(classifier, backbones.build)


def _assemble(classifier: Classifier, build: Callable[[backbones.Backbone], nn.Module]) -> nn.Module:
    from collections import OrderedDict

    from torch import nn

    chosen = backbones.backbone(classifier.arch)
    head = heads.build(heads.parse(classifier.head), chosen.features, len(classifier.classes))
    return nn.Sequential(OrderedDict(backbone=build(chosen), head=head))


def save(path: Path, classifier: Classifier, tensors: Mapping[str, Tensor]) -> None:
    """Write ``tensors`` (a state dict of `build_module`'s network) with ``classifier`` to ``path``, atomically."""
    from safetensors.torch import save as serialized

    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # Written by us and not by safetensors, which reports a full disk as an error of its own kind.
    write_bytes(path, serialized(contiguous, metadata={METADATA: classifier.model_dump_json()}))


def is_one(path: Path) -> bool:
    """Return whether ``path`` is a file that `save` wrote, rather than other weights."""
    from safetensors import SafetensorError, safe_open

    if path.suffix != ".safetensors":
        return False
    try:
        with safe_open(path, framework="pt") as file:
            return METADATA in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False


def read(path: Path) -> tuple[Classifier, dict[str, Tensor]]:
    """Return the classifier stored at ``path`` and its tensors; raises RunError when it is none or is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            stored: dict[str, Any] = file.metadata() or {}
            classifier = Classifier.model_validate_json(stored.get(METADATA, ""))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (OSError, SafetensorError, pydantic.ValidationError) as error:
        raise RunError(f"{path} is not a classifier of this edgetl. Run `edgetl finetune` again.") from error
    return classifier, tensors


def load(path: Path) -> tuple[Classifier, nn.Module]:
    """Return the classifier stored at ``path`` and its network in evaluation mode; raises RunError."""
    classifier, tensors = read(path)
    network = _assemble(classifier, backbones.build_empty)
    try:
        network.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise RunError(f"{path} does not hold a {classifier.arch}. Run `edgetl finetune` again.") from error
    return classifier, network.eval()
