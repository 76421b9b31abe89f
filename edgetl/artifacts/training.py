"""What training and exporting give: the classifier, and the fp32 baseline."""

from __future__ import annotations

from typing import Any, ClassVar

import pydantic

from edgetl.artifacts.base import Artifact, Interval


class FinetuneResult(Artifact):
    """A trained classifier: ``classifier`` is a safetensors file, relative to the run's folder.

    Accuracies are fractions. ``test_images`` are kept for the verdict, ``contradictory_images`` are in two classes at
    once. ``preprocess`` is `device.values.Preprocess` as a dict. ``weights`` is what the user named; ``weights_sha256``
    what was loaded (empty for random weights). ``notes`` are what the strategy decided on the way; ``interrupted`` says
    that this is the best of a training that was cut short. ``adaptation`` is how it was adapted to another domain
    (`training.adapt.values.Adaptation` as a dict), None if it was not.
    """

    FILE: ClassVar[str] = "finetune.json"

    arch: str
    weights: str
    weights_sha256: str
    classes: tuple[str, ...]
    strategy: str
    head: str
    seed: int
    train_images: int
    val_images: int
    test_images: int = 0
    skipped_images: int
    contradictory_images: int = 0
    train_accuracy: float
    val_accuracy: float
    val_accuracy_ci: Interval
    classifier: str
    sha256: str
    preprocess: dict[str, Any]
    data: str
    data_sha256: str
    phases: dict[str, float]
    notes: dict[str, float | int | str] = pydantic.Field(default_factory=dict)
    interrupted: bool = False
    adaptation: dict[str, Any] | None = None


class ExportResult(Artifact):
    """The fp32 ONNX baseline: ``model`` is relative to the run's folder; ``max_abs_diff`` in logits against torch.

    Its logits are the classifier's divided by ``temperature``.
    """

    FILE: ClassVar[str] = "export.json"

    model: str
    sha256: str
    size_bytes: int
    opset: int
    max_abs_diff: float
    tolerance: float
    temperature: float = 1.0
    parent_sha256: str
