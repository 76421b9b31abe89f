"""The last resort: where no int8 candidate keeps its accuracy, a short training makes the network bear quantization."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from edgetl.graph import metadata
from edgetl.quantization.make import make
from edgetl.quantization.search.field import Field, with_file
from edgetl.quantization.search.trial import Trial
from edgetl.quantization.setback import Setback

# Only what would be this much faster than the best so far, and only in a search with this much time left, in seconds,
# of which training gets that share.
WORTH, NEEDED_S, TRAINING_SHARE = 0.9, 60.0, 0.6


@dataclass(frozen=True)
class Trainable:
    """What the network was trained from: the classifier's file, its images, and their class indices."""

    classifier: Path
    images: Sequence[Path]
    labels: Sequence[int]
    seed: int


def retrain(field: Field, model: Path, trainable: Trainable | None) -> None:
    """Add the fastest int8 candidate made of a network that was trained for it, if none else will do.

    ``model`` is the fp32 file. Nothing is added without the images that the network was trained on.
    """
    int8 = [each for each in field.able if each.recipe is not None and each.recipe.precision == "int8"]
    if trainable is None or any(each.ratio < 1 and field.rules.admit(each) for each in int8):
        return
    able = [each for each in int8 if each.ratio < WORTH * field.best() and _onnx(field, each)]
    if not able or field.clock.left < NEEDED_S or not field.rules.can_admit(len(field.contest.ground.pixels)):
        return
    field.progress.remark("No faster int8 candidate keeps its accuracy: the network is trained for quantization.")
    field.add(_tried(field, model, trainable, min(able, key=lambda trial: trial.ratio)))


def _onnx(field: Field, trial: Trial) -> bool:
    return trial.recipe is not None and field.workshop.can_be_taken_apart(trial.recipe)


def _tried(field: Field, model: Path, trainable: Trainable, fastest: Trial) -> Trial:
    assert fastest.recipe is not None
    recipe = fastest.recipe.model_copy(update={"name": f"{fastest.recipe.name}-retrained"})
    trial = Trial(fastest.candidate.model_copy(update={"recipe": recipe.name}), recipe=recipe)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            trained = _trained(Path(scratch), model, trainable, TRAINING_SHARE * field.clock.left, field)
            data = make(trained, recipe, replace(field.workshop.images, until=field.making_end))
        except ImportError as error:
            return with_file(trial, Setback("unavailable", f"Training for quantization needs NNCF ({error})."))
        except Exception as error:  # noqa: BLE001 - of three libraries; the search goes on without it
            return with_file(trial, Setback("rejected", f"It could not be trained: {type(error).__name__}: {error}."))
    trial = with_file(trial, field.workshop.put(recipe, onnx.load_from_string(data)))
    return field.contest.try_out(trial, field.race_seconds(0.3))


def _trained(folder: Path, model: Path, trainable: Trainable, seconds: float, field: Field) -> Path:
    """Return the fp32 file of the trained network, with the facts of the one that it was trained from."""
    from edgetl import temperature
    from edgetl.graph.from_torch import export_module
    from edgetl.quantization import qat

    facts = metadata.read(model)
    given = (trainable.classifier, trainable.images, trainable.labels, seconds, trainable.seed)
    network = temperature.divided(qat.robust(*given, field.progress), facts.temperature)
    proto = export_module(network, facts.preprocess)
    metadata.write(proto, facts)
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString(deterministic=True))
    return path
