"""Every model and every list of labels that is refused: one sentence that says what, where, and what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx_ir")

from onnx import TensorProto, helper, numpy_helper

from edgetl.adopt import AdoptSettings, adopt
from edgetl.errors import RunError, UsageError
from edgetl.progress import Silent
from tests.adopt import foreign
from tests.device import tiny

pytestmark = pytest.mark.engine


def _refused(tmp_path: Path, model: Path, **options: Any) -> str:
    if not (tmp_path / "images").exists():
        foreign.draw(tmp_path / "images")
    given = {"images": tmp_path / "images", "out": tmp_path / "run"} | options
    with pytest.raises(UsageError) as caught:
        adopt(AdoptSettings(model, **given), Silent())
    assert not (tmp_path / "run" / "export.json").exists()
    return str(caught.value)


def _changed(change: Callable[[Any], object], **options: Any) -> Any:
    model = foreign.network(**options)
    change(model)
    return model


def _two_inputs(model: Any) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def _two_outputs(model: Any) -> None:
    model.graph.node.append(helper.make_node("Relu", ["scores"], ["aux"]))
    model.graph.output.append(helper.make_tensor_value_info("aux", TensorProto.FLOAT, [1, foreign.CLASSES]))


def _four_axes(model: Any) -> None:
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("pool", TensorProto.FLOAT, [1, foreign.WIDTH, 1, 1]))


def _sequence(model: Any) -> None:
    model.graph.node.append(helper.make_node("SequenceConstruct", ["scores"], ["many"]))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_sequence_value_info("many", TensorProto.FLOAT, None))


def _foreign_operator(model: Any) -> None:
    model.graph.node[2].op_type, model.graph.node[2].domain = "Gelu", "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def _half(model: Any) -> None:
    bias = next(each for each in model.graph.initializer if each.name == "bias")
    bias.CopyFrom(numpy_helper.from_array(np.ones(foreign.CLASSES, np.float16), "bias"))


def _mixes_the_batch(model: Any) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.ones((2, 3, 1, 1), np.float32), "each"))
    model.graph.node[0].input[0] = "twice"
    model.graph.node.insert(0, helper.make_node("Add", ["input", "each"], ["twice"]))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (foreign.network(opset=10), "opset 10; edgetl takes 11"),
        (foreign.network(shape=[1, 4, 16, 16]), r"(1, 4, 16, 16); it must be (batch, 3, height, width)"),
        (foreign.network(shape=[1, 16, 16, 3]), r"(1, 16, 16, 3); it must be"),
        (foreign.network(shape=[1, 3, 16]), r"(1, 3, 16); it must be"),
        (foreign.network(shape=[1, 3, 16, 24]), "squares"),
        (foreign.network(dtype=TensorProto.UINT8), "is uint8; it must be float32"),
        (_changed(_two_inputs), "has 2 inputs (input, more)"),
        (_changed(lambda model: model.graph.ClearField("input")), "has 0 inputs (none)"),
        (_changed(_two_outputs), "has 2 outputs of float (batch, classes)"),
        (_changed(_four_axes), "has no output of float (batch, classes)"),
        (_changed(_sequence), "has no output of float (batch, classes)"),
        (_changed(_foreign_operator), "com.microsoft.Gelu"),
        (_changed(_half), "16 bits"),
        (_changed(_mixes_the_batch, batch=2), "works with one size of batch only"),
        (_changed(lambda model: model.graph.node.pop(1)), "ONNX Runtime does not load"),
    ],
)
def test_models(tmp_path: Path, model: Any, said: str) -> None:
    assert said in _refused(tmp_path, foreign.save(tmp_path / "theirs.onnx", model))


def test_no_model_at_all(tmp_path: Path) -> None:
    (tmp_path / "photo.onnx").write_bytes(os.urandom(300))
    (tmp_path / "empty.onnx").touch()
    for name in ("photo.onnx", "empty.onnx"):
        assert "is not an ONNX model" in _refused(tmp_path, tmp_path / name)
    assert "There is no model file" in _refused(tmp_path, tmp_path / "none.onnx")


def test_quantized_models(tmp_path: Path) -> None:
    assert "Give the float model" in _refused(tmp_path, tiny.save(tmp_path / "q.onnx", quantized=True))


@pytest.mark.parametrize("location", ["../w.bin", "/etc/passwd", "C:\\w.bin", "a/../../w.bin", "..\\w.bin", ""])
def test_weights_outside_of_the_folder(tmp_path: Path, location: str) -> None:
    model = foreign.network()
    _outside(model.graph.initializer[0], location)
    assert "outside of its folder" in _refused(tmp_path, foreign.save(tmp_path / "m.onnx", model))


def test_weights_that_are_missing(tmp_path: Path) -> None:
    model = foreign.network()
    _outside(model.graph.initializer[0], "w.bin")
    assert "w.bin (no such file" in _refused(tmp_path, foreign.save(tmp_path / "m.onnx", model))


def test_more_than_a_file_holds(tmp_path: Path) -> None:
    model = foreign.network()
    _outside(model.graph.initializer[0], "w.bin")
    model.graph.initializer[0].dims[:] = [30_000, 30_000]
    assert "3.6 GB of weights; an ONNX file holds at most 2 GB" in _refused(
        tmp_path, foreign.save(tmp_path / "m.onnx", model)
    )
    with (tmp_path / "sparse.onnx").open("wb") as file:
        file.truncate(2**31)
    assert "2.1 GB of weights" in _refused(tmp_path, tmp_path / "sparse.onnx")


def _outside(tensor: Any, location: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("00.png,4\n", "'4' in"),
        ("00.png,cat\n", "no class index from 0 to 3"),
        ("nowhere.png,1\n", "line 2 names 'nowhere.png'"),
        ("00.png\n", "line 2 has no label"),
        (",1\n", "line 2 has no file"),
        ("00.png,1\n00.png,2\n", "line 2 with '1'"),
        ("", "lists no images"),
    ],
)
def test_labels(tmp_path: Path, text: str, said: str) -> None:
    names = foreign.draw(tmp_path / "images")
    rest = "".join(f"{name},1\n" for name in names[1:]) if text else ""
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\n" + text + rest)
    assert said in _refused(tmp_path, foreign.save(tmp_path / "m.onnx"), labels=labels)


def test_labels_without_columns(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("a,b\n00.png,1\n")
    model = foreign.save(tmp_path / "m.onnx")
    assert "must name the columns file,label" in _refused(tmp_path, model, labels=labels)
    assert "There is no file of labels" in _refused(tmp_path, model, labels=tmp_path / "none.csv")


def test_too_few_images(tmp_path: Path) -> None:
    foreign.draw(tmp_path / "images", 11)
    assert "11 different usable images; 12 are the least" in _refused(tmp_path, foreign.save(tmp_path / "m.onnx"))


def test_no_images(tmp_path: Path) -> None:
    model = foreign.save(tmp_path / "m.onnx")
    assert "There is no folder or manifest of images" in _refused(tmp_path, model, images=tmp_path / "none")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"crop": 20}, "takes images of 16 pixels, not of 20"),
        ({"resize": 8}, "does not fit"),
        ({"interpolation": "bilinaer"}, "Did you mean 'bilinear'?"),
        ({"std": (0.2, 0.0, 0.2)}, "--std above 0"),
        ({"mean": (float("nan"), 0.0, 0.0)}, "must be numbers"),
    ],
)
def test_settings(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    assert said in _refused(tmp_path, foreign.save(tmp_path / "m.onnx"), **options)


def test_folders_of_others(tmp_path: Path) -> None:
    model, run = foreign.save(tmp_path / "model.onnx"), tmp_path / "run"
    run.mkdir()
    (run / "finetune.json").write_text("{}")
    assert "run of a training" in _refused(tmp_path, model)
    before = model.read_bytes()
    assert "did not write" in _refused(tmp_path, model, out=tmp_path)
    assert model.read_bytes() == before


def test_a_run_onto_itself(tmp_path: Path) -> None:
    foreign.draw(tmp_path / "images")
    settings = AdoptSettings(foreign.save(tmp_path / "m.onnx"), tmp_path / "images", out=tmp_path / "run")
    adopt(settings, Silent())
    with pytest.raises(RunError, match="own model"):
        adopt(AdoptSettings(tmp_path / "run/model.onnx", tmp_path / "images", out=tmp_path / "run"), Silent())
