"""Logits of a classifier that is perfectly calibrated, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np


def honest(images: int, classes: int = 8, strength: float = 4.0, seed: int = 0) -> tuple[Any, Any]:
    """Return logits (images, classes), and labels drawn with the probabilities that their softmax says."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1, (images, classes))
    logits[np.arange(images), generator.integers(0, classes, images)] += strength
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return logits, (chances.cumsum(1) > generator.random((images, 1))).argmax(1)
