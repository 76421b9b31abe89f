"""Classifying images, a line of JSON each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgetl.device.app.inputs import Source
from edgetl.device.app.local import Local
from edgetl.device.bundle.opened import Bundle
from edgetl.device.bundle.verification import load
from edgetl.device.preprocess import ImageError, load_image


def predict(bundle: Bundle, images: Iterable[tuple[str, Source]], top: int) -> Iterator[dict[str, Any]]:
    """Yield for each image its ``label`` and ``probability``, the ``top`` best classes, or the ``error`` of reading it.

    Raises ProviderUnavailable and ModelError.
    """
    manifest = bundle.manifest
    runner = Local()
    load(bundle, runner)
    for name, source in images:
        try:
            pixels = load_image(source, manifest.preprocess)
        except ImageError as error:
            yield {"image": name, "error": str(error)}
            continue
        shares = softmax(runner.logits(pixels[np.newaxis])[0])
        best = np.argsort(-shares, kind="stable")[:top]
        ranked = [{"label": manifest.classes[index], "probability": round(float(shares[index]), 6)} for index in best]
        yield {"image": name, **ranked[0], **({"top": ranked} if top > 1 else {})}


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return probabilities (classes,) for logits (classes,)."""
    shifted = np.exp(logits.astype(np.float64) - float(logits.max()))
    return np.asarray(shifted / shifted.sum())


def line(prediction: dict[str, Any]) -> str:
    """Return a prediction as a line of JSON; a name that is no text keeps its odd bytes as escapes."""
    return json.dumps(prediction, ensure_ascii=True)
