"""The last resort with real parts: trained by NNCF and torch, exported, quantized, and tried on ONNX Runtime."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")
pytest.importorskip("onnxruntime")

import onnx
from onnx import numpy_helper

from edgetl import classifier as classifiers
from edgetl import recipes
from edgetl.dataset import Dataset, judging_images
from edgetl.environments.local import local_command
from edgetl.files import sha256_file
from edgetl.graph import metadata
from edgetl.pixels import iter_pixels
from edgetl.progress import Silent
from edgetl.quantization import qat
from edgetl.quantization.calibration.images import Calibration
from edgetl.quantization.make import Workshop
from edgetl.quantization.search import retrain
from edgetl.quantization.search.choose import Rules
from edgetl.quantization.search.contest import Contest
from edgetl.quantization.search.field import Clock, Field, with_file
from edgetl.quantization.search.ground import Ground
from edgetl.quantization.search.trial import Trial
from edgetl.targets import Budgets, TargetCandidate
from tests import trained_run as fixture

pytestmark = [pytest.mark.training, pytest.mark.engine]

FP32 = TargetCandidate(provider="cpu")
INT8 = TargetCandidate(provider="cpu", precision="int8", recipe="u8s8-minmax")


def weights(path: Path) -> dict[str, np.ndarray]:
    return {each.name: numpy_helper.to_array(each) for each in onnx.load(path).graph.initializer}


def test_a_network_trained_for_quantization_is_a_candidate_like_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qat, "BATCH", 4)
    monkeypatch.setattr(qat, "STEPS", 2)
    monkeypatch.setattr(qat, "RANGED", 3)
    run = fixture.exported_run(tmp_path)
    model, dataset = run / "model.onnx", Dataset.load(run)
    preprocess, images = metadata.read(model).preprocess, judging_images(dataset)
    pixels = np.concatenate([each for _, each in iter_pixels(dataset.paths(images), preprocess)])
    ground = Ground(local_command(), pixels, dataset.labels(images), 1, Rules(Budgets(), accept_unproven=True))
    workshop = Workshop(model, run / "candidates", Calibration(dataset, preprocess, 4, seed=0))
    classifier = run / classifiers.FILE
    trainable = retrain.Trainable(classifier, dataset.paths(dataset.train), dataset.labels(dataset.train), 0)
    before = sha256_file(classifier), sha256_file(model)
    with Contest(FP32, model, ground, 60.0) as contest:
        field = Field(contest, workshop, Clock(time.monotonic() + 60.0), Silent(), lambda _: None)
        recipe = recipes.load("u8s8-minmax")
        plain = with_file(Trial(INT8, recipe=recipe), workshop.make(recipe))
        trained = retrain._tried(field, model, trainable, plain)
    assert trained.setback is None and trained.model is not None and plain.model is not None
    assert trained.name == "cpu-int8-u8s8-minmax-retrained"
    assert trained.accuracy is not None and trained.accuracy.images == len(images)
    assert trained.latency is not None
    # Other weights in the same graph; the run's own files are as they were.
    old, new = weights(plain.model), weights(trained.model)
    assert len(old) == len(new) and any(not np.array_equal(old[name], new[name]) for name in old if name in new)
    assert metadata.read(trained.model).classes == metadata.read(model).classes
    assert (sha256_file(classifier), sha256_file(model)) == before
