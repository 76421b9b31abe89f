"""Making candidates' model files from the fp32 model by recipes."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import onnx

from edgetl.files import replacing, sha256_file
from edgetl.graph import metadata
from edgetl.quantize.calibration.images import Calibration
from edgetl.quantize.engines import ENGINES
from edgetl.quantize.engines.base import Engine
from edgetl.quantize.search.trial import Setback
from edgetl.recipes import Recipe

# What quantizers raise for graphs that they do not understand; the other recipes may still work.
_UNSUITABLE = (AssertionError, AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, ValueError)


class Workshop:
    """Makes each recipe's file once, whatever the number of candidates that run it."""

    def __init__(self, model: Path, folder: Path, images: Calibration) -> None:
        self._model, self._folder, self._images = model, folder, images
        self._made: dict[str, Path | Setback] = {}

    def make(self, recipe: Recipe) -> Path | Setback:
        """Return the recipe's model file in the folder, or why there is none."""
        if recipe.name not in self._made:
            self._made[recipe.name] = self._try(recipe)
        return self._made[recipe.name]

    def _try(self, recipe: Recipe) -> Path | Setback:
        path = self._folder / f"{recipe.name}.onnx"
        try:
            make(self._model, recipe, self._images, path)
        except ImportError as error:
            return Setback("unavailable", f"Its recipe needs {recipe.engine}, which cannot be imported ({error}).")
        except (*_UNSUITABLE, onnx.checker.ValidationError) as error:
            return Setback("rejected", f"{recipe.engine} cannot quantize this model: {type(error).__name__}: {error}.")
        return path


def make(model: Path, recipe: Recipe, images: Calibration, destination: Path) -> None:
    """Write the model that ``recipe`` makes of the fp32 file ``model`` to ``destination``, atomically.

    It carries the facts of its parent, the parent's SHA-256 and the recipe. Raises ImportError where the recipe's
    engine is not installed.
    """
    module, function = ENGINES[recipe.engine]
    engine: Engine = getattr(importlib.import_module(module), function)
    quantized = engine(onnx.load(model), recipe, lambda: images.batches(recipe.samples))
    facts = dataclasses.replace(
        metadata.read(model), parent_sha256=sha256_file(model), recipe=recipe.model_dump(mode="json")
    )
    metadata.write(quantized, facts)
    # Inferred shapes served the quantizer; engines infer their own, and these name tensors that are gone.
    del quantized.graph.value_info[:]
    onnx.checker.check_model(quantized, full_check=True)
    with replacing(destination) as temporary:
        temporary.write_bytes(quantized.SerializeToString(deterministic=True))
