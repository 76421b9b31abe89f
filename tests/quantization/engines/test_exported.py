"""A network made half precision before its export: a file that answers as fp32 does, up to rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from edgetl import recipes, runs  # noqa: E402
from edgetl.dataset import Dataset  # noqa: E402
from edgetl.device.bundle.signal import sqnr_db  # noqa: E402
from edgetl.graph import metadata  # noqa: E402
from edgetl.measure.logits import runner_logits  # noqa: E402
from edgetl.quantization.calibration.images import Calibration  # noqa: E402
from edgetl.quantization.make import Workshop  # noqa: E402
from edgetl.quantization.setback import Setback  # noqa: E402
from tests import trained_run as fixture  # noqa: E402

pytestmark = [pytest.mark.training, pytest.mark.engine]
RECIPE = recipes.load("fp16-exported")


def test_it_takes_and_gives_what_fp32_does_and_computes_in_half_precision(tmp_path: Path) -> None:
    run = fixture.exported_run(tmp_path)
    images = Calibration(Dataset.load(run), fixture.PREPROCESS, 4, 0)
    workshop = Workshop(run / "model.onnx", run / "candidates", images, run / runs.finetuned(run).classifier)
    made = workshop.make(RECIPE)
    assert isinstance(made, Path)
    file = onnx.load(made)
    weights = [each for each in file.graph.initializer if len(each.dims) == 4 and not each.name.startswith("image_")]
    assert weights and {each.data_type for each in weights} == {onnx.TensorProto.FLOAT16}
    facts = metadata.read(made)
    assert facts.recipe is not None and facts.recipe["name"] == RECIPE.name
    assert facts.classes == metadata.read(run / "model.onnx").classes
    pixels = np.concatenate(list(images.batches(4)))
    exact, half = runner_logits(run / "model.onnx", pixels), runner_logits(made, pixels)
    assert half.dtype == np.float32
    # As good as the file that is converted: a random network makes much of every rounding.
    converted = workshop.make(recipes.load("fp16"))
    assert isinstance(converted, Path)
    assert sqnr_db(half, exact) == pytest.approx(sqnr_db(runner_logits(converted, pixels), exact), abs=6.0)
    assert sqnr_db(half, exact) > 15


def test_a_model_without_its_network_has_none(tmp_path: Path) -> None:
    run = fixture.exported_run(tmp_path)
    images = Calibration(Dataset.load(run), fixture.PREPROCESS, 4, 0)
    made = Workshop(run / "model.onnx", run / "candidates", images).make(RECIPE)
    assert isinstance(made, Setback) and made.status == "unavailable"
