"""Adopting models that edgetl did not train: what comes out computes what went in."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnx_ir")
pytest.importorskip("onnxruntime")

import onnx
import onnxruntime as ort

from edgetl import runs
from edgetl.adopt import AdoptSettings, adopt
from edgetl.dataset import Dataset, calibration_images, judging_images, selection_images
from edgetl.device.values import Preprocess
from edgetl.errors import ExportError
from edgetl.graph import metadata
from edgetl.pixels import iter_pixels
from edgetl.progress import Silent
from edgetl.runs import preprocess_of
from tests.adopt import foreign

pytestmark = pytest.mark.engine

SEEN = Preprocess(resize=18, crop=foreign.SIDE)


class Recorder(Silent):
    """Progress that remembers remarks."""

    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


def _adopted(tmp_path: Path, model: Path, *, progress: Silent | None = None, **options: Any) -> tuple[Path, Dataset]:
    images = options.pop("images", tmp_path / "images")
    if not images.exists():
        foreign.draw(images)
    run = tmp_path / "run"
    adopt(AdoptSettings(model, images, out=run, **options), progress or Silent())
    return run, Dataset.load(run)


def _answers(model: Path, pixels: Any) -> Any:
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: pixels})[0]


def _photos(dataset: Dataset, preprocess: Preprocess = SEEN) -> Any:
    images = (*dataset.train, *dataset.val, *dataset.test)
    return np.concatenate([each for _, each in iter_pixels(dataset.paths(images), preprocess)])


def _original(model: Path, pixels: Any, batch: int, preprocess: Preprocess = SEEN) -> Any:
    floats = (pixels.astype(np.float32) / 255 - np.float32(preprocess.mean)) / np.float32(preprocess.std)
    floats = np.ascontiguousarray(floats.transpose(0, 3, 1, 2), np.float32)
    return np.concatenate([_answers(model, floats[at : at + batch]) for at in range(0, len(floats), batch)])


@pytest.mark.parametrize(
    "options",
    [
        {"batch": 1, "flatten": f"1,{foreign.WIDTH}"},
        {"batch": 1, "flatten": "1,-1", "opset": 13},
        {"batch": 4, "flatten": "4,-1", "opset": 12},
        {"batch": 4, "flatten": f"-1,{foreign.WIDTH}", "opset": 17},
        {"batch": "N", "opset": 18},
        {"batch": "N", "shape": ["N", "c", "h", "w"]},
    ],
)
def test_logits_stay_for_any_batch(tmp_path: Path, options: dict[str, Any]) -> None:
    model = foreign.save(tmp_path / "theirs.onnx", **options)
    crop = {} if "shape" not in options else {"crop": foreign.SIDE}
    run, dataset = _adopted(tmp_path, model, **crop)
    adopted = run / "model.onnx"
    pixels = _photos(dataset)
    expected = _original(model, pixels, options["batch"] if options["batch"] != "N" else 16)
    for size in (1, 3, 16):
        np.testing.assert_allclose(_answers(adopted, pixels[:size]), expected[:size], rtol=1e-4, atol=1e-4)
    graph = onnx.load(adopted)
    used = {node.op_type for node in graph.graph.node}
    assert not used & {"BatchNormalization", "Dropout", "Identity", "Constant"}
    assert [each.domain for each in graph.opset_import] == [""]
    assert graph.opset_import[0].version >= 17
    assert graph.graph.output[0].name == "logits"


def test_the_run_is_one_as_after_an_export(tmp_path: Path) -> None:
    model = foreign.save(tmp_path / "their model.onnx")
    run, dataset = _adopted(tmp_path, model, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4), resize=20)
    seen = Preprocess(resize=20, crop=foreign.SIDE, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    exported = runs.exported(run)
    facts = metadata.read(run / exported.model)
    assert facts.arch == "their-model"
    assert facts.classes == dataset.classes == ("0", "1", "2", "3")
    assert facts.preprocess == preprocess_of(run) == seen
    assert exported.max_abs_diff <= exported.tolerance
    assert facts.parent_sha256 == exported.parent_sha256
    expected = _original(model, _photos(dataset, seen), 1, seen)
    np.testing.assert_allclose(_answers(run / "model.onnx", _photos(dataset, seen)), expected, rtol=1e-4, atol=1e-4)


def test_without_labels_the_model_itself_labels(tmp_path: Path) -> None:
    model, progress = foreign.save(tmp_path / "m.onnx"), Recorder()
    run, dataset = _adopted(tmp_path, model, progress=progress)
    top = _answers(run / "model.onnx", _photos(dataset)).argmax(1)
    assert dataset.labels((*dataset.train, *dataset.val, *dataset.test)) == top.tolist()
    assert dataset.labelled_by == "model"
    assert "agreement" in progress.remarks[-1]
    assert len(set(top)) > 1


def test_roles_are_disjoint_and_copies_on_one_side(tmp_path: Path) -> None:
    images = tmp_path / "images"
    for name in foreign.draw(images, 30):
        (images / f"copy-{name}").write_bytes((images / name).read_bytes())
    (images / "broken.png").write_bytes(b"no image")
    progress = Recorder()
    _, dataset = _adopted(tmp_path, foreign.save(tmp_path / "m.onnx"), progress=progress)
    roles = [calibration_images(dataset, 99, 0), selection_images(dataset, 99, 0), judging_images(dataset)]
    contents = [{image.sha256 for image in role} for role in roles]
    assert not contents[0] & contents[1] and not contents[0] & contents[2] and not contents[1] & contents[2]
    assert sorted(len(each) for each in contents) == [8, 11, 11]
    assert [each.path for each in dataset.skipped] == ["broken.png"]
    assert "1 of 61 files" in progress.remarks[0]


def test_labels_by_index(tmp_path: Path) -> None:
    images = tmp_path / "images"
    names = foreign.draw(images)
    labels = images / "labels.csv"
    rows = [f"{name},{index % 3 + 1},anything" for index, name in enumerate(names)]
    labels.write_text("file,label,name\n" + "\n".join(rows) + "\n")
    _, dataset = _adopted(tmp_path, foreign.save(tmp_path / "m.onnx"), labels=labels)
    found = {image.path: image.label for image in (*dataset.train, *dataset.val, *dataset.test)}
    assert found == {name: str(index % 3 + 1) for index, name in enumerate(names)}
    assert dataset.labelled_by == "people"
    assert dataset.skipped == ()


def test_as_many_folders_as_classes_are_the_classes(tmp_path: Path) -> None:
    foreign.draw_classes(tmp_path / "images", ["ant", "bee", "cat", "dog"], 8)
    progress = Recorder()
    _, dataset = _adopted(tmp_path, foreign.save(tmp_path / "m.onnx"), progress=progress)
    assert dataset.classes == ("ant", "bee", "cat", "dog")
    assert dataset.labelled_by == "people"
    assert "alphabetical" in progress.remarks[0] and "'ant' is 0" in progress.remarks[0]
    for part in (dataset.train, dataset.val, dataset.test):
        shares = Counter(image.label for image in part)
        assert len(shares) == 4 and max(shares.values()) - min(shares.values()) <= 1


def test_other_folders_tell_nothing(tmp_path: Path) -> None:
    foreign.draw_classes(tmp_path / "images", ["ant", "bee", "cat"])
    progress = Recorder()
    _, dataset = _adopted(tmp_path, foreign.save(tmp_path / "m.onnx"), progress=progress)
    assert dataset.classes == ("0", "1", "2", "3")
    assert dataset.labelled_by == "model"
    assert "3 labels do not tell" in progress.remarks[0]


def test_a_split_that_the_user_gave_holds(tmp_path: Path) -> None:
    images = tmp_path / "images"
    foreign.draw_classes(images / "train", ["ant", "bee", "cat", "dog"], 4)
    foreign.draw_classes(images / "val", ["ant", "bee", "cat", "dog"], 6, seed=1)
    _, dataset = _adopted(tmp_path, foreign.save(tmp_path / "m.onnx"))
    where = {name: {image.path.split("/")[0] for image in dataset.split(name)} for name in ("train", "val", "test")}
    assert where == {"train": {"train"}, "val": {"val"}, "test": {"val"}}
    assert [len(dataset.split(name)) for name in ("train", "val", "test")] == [16, 12, 12]


def test_weights_in_another_file(tmp_path: Path) -> None:
    inside = foreign.save(tmp_path / "inside.onnx")
    outside = tmp_path / "outside.onnx"
    onnx.save_model(onnx.load(inside), outside, save_as_external_data=True, location="w.bin", size_threshold=0)
    run, dataset = _adopted(tmp_path, outside)
    pixels = _photos(dataset)
    np.testing.assert_allclose(_answers(run / "model.onnx", pixels), _original(inside, pixels, 1), rtol=1e-4, atol=1e-4)
    assert not any(tensor.external_data for tensor in onnx.load(run / "model.onnx").graph.initializer)


@pytest.mark.parametrize("names", [{"image": "image"}, {"image": "logits", "inner": "image_mean"}])
def test_names_that_edgetl_uses_itself(tmp_path: Path, names: dict[str, str]) -> None:
    model = foreign.save(tmp_path / "m.onnx", softmax=True, **{"inner": "logits"} | names)
    run, dataset = _adopted(tmp_path, model)
    pixels = _photos(dataset)
    np.testing.assert_allclose(_answers(run / "model.onnx", pixels), _original(model, pixels, 1), rtol=1e-4, atol=1e-5)


def test_the_same_again_does_no_work_and_another_image_does(tmp_path: Path) -> None:
    model, images = foreign.save(tmp_path / "m.onnx"), tmp_path / "images"
    foreign.draw(images)
    settings = AdoptSettings(model, images, out=tmp_path / "run")
    first = adopt(settings, Silent())
    written = (tmp_path / "run/model.onnx").stat().st_mtime_ns
    assert adopt(settings, Silent()) == first
    assert (tmp_path / "run/model.onnx").stat().st_mtime_ns == written
    (images / "00.png").unlink()
    assert adopt(settings, Silent()).inputs != first.inputs


def test_a_model_of_our_own_is_taken_as_it_is(tmp_path: Path) -> None:
    images = tmp_path / "images"
    foreign.draw_classes(images, ["ant", "bee", "cat", "dog"])
    run, _ = _adopted(tmp_path, foreign.save(tmp_path / "m.onnx"))
    again = tmp_path / "again"
    adopt(AdoptSettings(run / "model.onnx", images, out=again), Silent())
    assert (again / "model.onnx").read_bytes() == (run / "model.onnx").read_bytes()
    dataset = Dataset.load(again)
    assert dataset.classes == ("ant", "bee", "cat", "dog")
    assert dataset.labelled_by == "people"


def test_a_model_that_came_out_wrong_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgetl.adopt import model as models

    monkeypatch.setattr(models, "take_images", lambda model, preprocess: _off(model))
    with pytest.raises(ExportError, match="logits differ from those of"):
        _adopted(tmp_path, foreign.save(tmp_path / "m.onnx"))
    assert not list((tmp_path / "run").iterdir())


def _off(model: Any) -> None:
    from edgetl.graph.image_input import take_images

    take_images(model, Preprocess(mean=(0.4, 0.4, 0.4)))


def test_the_default_folder_has_both_names(tmp_path: Path) -> None:
    settings = AdoptSettings(tmp_path / "resnet 50.onnx", tmp_path / "photos")
    assert settings.run == Path("runs/photos-resnet-50")
