"""Making candidates' model files from the fp32 model by recipes, each once: those that are there already are taken.

What decides a file's bytes is hashed: the fp32 model, the calibration images, the recipe, edgetl's version and those of
the libraries. A file beside each candidate says what it was made from; copies are kept for other runs in the cache.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import importlib.metadata
import json
import math
import time
from pathlib import Path
from typing import Any

import onnx

from edgetl import __version__, runs
from edgetl.files import sha256_file, write_bytes, write_text
from edgetl.graph import metadata
from edgetl.quantization import cache
from edgetl.quantization.calibration.images import Calibration
from edgetl.quantization.engines import ENGINES, SUFFIXES, ir
from edgetl.quantization.engines.base import Engine
from edgetl.quantization.setback import Setback
from edgetl.recipes import Recipe

# Those engines that write Q/DQ pairs into the float graph and leave its nodes their names.
_TAKEN_APART = ("onnxruntime", "nncf-onnx")
# The engine that exports the network anew; all others start from the fp32 model.
TORCH = "torch"
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "openvino", "nncf")


class Workshop:
    """Makes each recipe's file once, whatever the number of candidates that run it, and of runs with its inputs.

    ``classifier`` is the file of the network that ``model`` was exported from, None for a model from elsewhere.
    """

    def __init__(self, model: Path, folder: Path, images: Calibration, classifier: Path | None = None) -> None:
        self._model, self._folder, self.images, self._classifier = model, folder, images, classifier
        self._made: dict[str, Path | Setback] = {}
        self._apart: dict[str, tuple[onnx.ModelProto, onnx.ModelProto]] = {}
        self._sha256 = sha256_file(model)
        self._operators = {node.op_type for node in onnx.load(model, load_external_data=False).graph.node}
        self._digest = runs.digest(__version__, versions(), self._sha256)
        self._hashes = [image.sha256 for image in images.images()]

    def make(self, recipe: Recipe, until: float = math.inf) -> Path | Setback:
        """Return the recipe's model file in the folder (``.onnx``, or ``.zip`` with OpenVINO's IR), or why not.

        Raises TimeoutError where it was not there and could not be made ``until`` that monotonic time.
        """
        key = self.made_from(recipe)
        if key not in self._made:
            self._made[key] = self._try(recipe, until)
        return self._made[key]

    def has(self, recipe: Recipe) -> bool:
        """Return whether `make` has the recipe's file, or the reason why there is none, without any work."""
        return self.made_from(recipe) in self._made

    def refusal(self, recipe: Recipe) -> Setback | None:
        """Return why ``recipe`` is not for this model, None where it is: known without any work."""
        if recipe.only_with_operators and not self._operators.intersection(recipe.only_with_operators):
            wanted = " or ".join(recipe.only_with_operators)
            return Setback("skipped", f"Its recipe is for models with {wanted}, and this one has none.")
        if recipe.engine == TORCH and self._classifier is None:
            return Setback("unavailable", "Its recipe exports the trained network anew, and this model came without.")
        return None

    def made_from(self, recipe: Recipe) -> str:
        """Return the hash of all that decides the recipe's file."""
        return runs.digest(self._digest, self._hashes[: recipe.samples], _plain(recipe))

    def can_be_taken_apart(self, recipe: Recipe) -> bool:
        """Return whether parts of what ``recipe`` makes can be put back into float: an ONNX file with Q/DQ pairs."""
        return recipe.precision == "int8" and recipe.engine in _TAKEN_APART and recipe.layout != "tensorrt"

    def taken_apart(self, recipe: Recipe) -> tuple[onnx.ModelProto, onnx.ModelProto]:
        """Return what ``recipe`` makes and the float model that its Q/DQ pairs were put into, nodes of equal names."""
        key = self.made_from(recipe)
        if key not in self._apart:
            made = self.make(recipe)
            if not isinstance(made, Path):
                raise ValueError(made.reason)
            model = onnx.load(self._model)
            if recipe.engine == "onnxruntime":
                from edgetl.quantization.engines.static import prepare

                model = prepare(model, recipe, lambda: self.images.batches(recipe.samples))
            # One at a time: a network may have half a gigabyte.
            self._apart = {key: (onnx.load(made), model)}
        return self._apart[key]

    def put(self, recipe: Recipe, quantized: onnx.ModelProto) -> Path:
        """Return the file of ``quantized``, which was made otherwise than by ``recipe``'s engine but as it says.

        It is named by its content as well: which nodes a search leaves in float may differ from time to time.
        """
        facts = dataclasses.replace(metadata.read(self._model), parent_sha256=self._sha256, recipe=_plain(recipe))
        data = _encoded(quantized, facts)
        path = self._folder / f"{recipe.name}-{hashlib.sha256(data).hexdigest()[:8]}.onnx"
        write_bytes(path, data)
        self._made[self.made_from(recipe)] = path
        return path

    def _try(self, recipe: Recipe, until: float) -> Path | Setback:
        if (refusal := self.refusal(recipe)) is not None:
            return refusal
        path = self._folder / f"{recipe.name}{SUFFIXES.get(recipe.engine, '.onnx')}"
        origin = self.made_from(recipe)
        if _is_made_from(path, origin):
            return path
        data = cache.cached(origin, path.suffix)
        if data is None:
            try:
                data = make(self._model, recipe, dataclasses.replace(self.images, until=until), self._classifier)
            except ImportError as error:
                return Setback("unavailable", f"Its recipe needs {recipe.engine}, which cannot be imported ({error}).")
            except Exception as error:
                # Quantizers raise anything for graphs that they do not understand, and also when the time is over.
                if time.monotonic() >= until:
                    raise TimeoutError from error
                reason = f"{type(error).__name__}: {error}"
                return Setback("rejected", f"{recipe.engine} cannot quantize this model: {reason}.")
            cache.keep(origin, path.suffix, data)
        write_bytes(path, data)
        write_text(_note(path), json.dumps({"made_from": origin, "sha256": sha256_file(path)}))
        return path


def make(model: Path, recipe: Recipe, images: Calibration, classifier: Path | None = None) -> bytes:
    """Return the file that ``recipe`` makes of the fp32 file ``model``: ONNX, or OpenVINO's IR as `engines.ir` says.

    It carries the facts of its parent, the parent's SHA-256 and the recipe. ``classifier`` is the network that `TORCH`
    exports anew. Raises ImportError where the recipe's engine is not installed.
    """
    known = metadata.read(model)
    facts = dataclasses.replace(known, parent_sha256=sha256_file(model), recipe=_plain(recipe))
    if recipe.engine == TORCH and classifier is not None:
        from edgetl.quantization.engines.exported import half

        return _encoded(half(classifier, known), facts)
    module, function = ENGINES[recipe.engine]
    engine: Engine = getattr(importlib.import_module(module), function)
    quantized = engine(onnx.load(model), recipe, lambda: images.batches(recipe.samples))
    if not isinstance(quantized, onnx.ModelProto):
        return ir.encode(quantized, metadata.entries(facts))
    return _encoded(quantized, facts)


def _encoded(quantized: onnx.ModelProto, facts: metadata.ModelFacts) -> bytes:
    """Return the bytes of a file that carries ``facts``; raises what onnx's checker raises."""
    metadata.write(quantized, facts)
    # Inferred shapes served the quantizer; engines infer their own, and these name tensors that are gone.
    del quantized.graph.value_info[:]
    onnx.checker.check_model(quantized, full_check=True)
    return bytes(quantized.SerializeToString(deterministic=True))


def _plain(recipe: Recipe) -> dict[str, Any]:
    return recipe.model_dump(mode="json")


def _note(path: Path) -> Path:
    """Return where it says what the candidate ``path`` was made from."""
    return path.with_name(f"{path.name}.json")


def _is_made_from(path: Path, origin: str) -> bool:
    """Return whether the candidate is there, made from ``origin``, as it was written."""
    try:
        return bool(json.loads(_note(path).read_text()) == {"made_from": origin, "sha256": sha256_file(path)})
    except (OSError, ValueError):
        return False


def versions() -> dict[str, str]:
    """Return the versions of the libraries that quantize, of those that are installed."""
    found = {}
    for name in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
