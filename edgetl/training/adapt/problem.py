"""What a method of adaptation is given, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edgetl import classifier, heads
from edgetl.dataset import ImageRef, fitting_images
from edgetl.training.adapt.target import Target
from edgetl.training.features import frozen
from edgetl.training.features.extraction import Features
from edgetl.training.task import Logits, Task
from edgetl.training.threads import torch_threads
from edgetl.weights import Weights


@dataclass(frozen=True, eq=False)
class Network:
    """A classifier in its two parts; the names of ``head`` are those within it."""

    backbone: Weights
    head: Mapping[str, Tensor]

    @classmethod
    def of(cls, task: Task, tensors: Mapping[str, Tensor]) -> Network:
        """Return the parts of ``tensors``, which are named as in a classifier file."""
        backbone, head = (
            {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
            for prefix in (classifier.BACKBONE, classifier.HEAD)
        )
        return cls(replace(task.weights, tensors=backbone), head)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors, named as in a classifier file."""
        backbone = {f"{classifier.BACKBONE}{name}": tensor for name, tensor in self.backbone.tensors.items()}
        return backbone | {f"{classifier.HEAD}{name}": tensor for name, tensor in self.head.items()}


@dataclass(frozen=True, eq=False)
class Problem:
    """The trained ``network`` of a ``task``, to be adapted to the images of ``target``."""

    task: Task
    network: Network
    target: Target

    @property
    def images(self) -> tuple[ImageRef, ...]:
        """The source's images that may be fitted to."""
        return fitting_images(self.task.dataset)

    @property
    def labels(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Their class indices."""
        return np.asarray(self.task.dataset.labels(self.images), np.int64)

    @property
    def groups(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Numbers of which near-identical ones have the same."""
        return np.asarray(self.task.dataset.groups(self.images), np.int64)

    def of_source(self, backbone: Weights, images: Sequence[ImageRef]) -> Features:
        """Return the features of the source's ``images``, float32 (images, width), from the cache if there."""
        return self.of(backbone, self.task.dataset.paths(images), [image.sha256 for image in images])

    def of_target(self, backbone: Weights) -> Features:
        """Return the features of the target's images."""
        return self.of(backbone, self.target.paths, self.target.hashes)

    def of(self, backbone: Weights, paths: Sequence[Path], hashes: Sequence[str]) -> Features:
        """Return the features of images; raises DataError for one that cannot be decoded."""
        return frozen.of_files(backbone, self.task.backbone, paths, hashes, self.task.progress)

    def logits(self, head: Mapping[str, Tensor], given: Features) -> Logits:
        """Return the logits of features, float32 (images, classes)."""
        layers = heads.build(self.task.head, given.shape[1], len(self.task.dataset.classes)).eval()
        layers.load_state_dict(dict(head))
        with torch_threads(1), torch.inference_mode():
            result: Logits = layers(torch.from_numpy(given)).numpy()
        return result
