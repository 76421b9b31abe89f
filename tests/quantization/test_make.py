"""Candidates' files: made once for a model, images and a recipe, and taken from where they are after that."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from edgetl import recipes  # noqa: E402
from edgetl.dataset import Dataset, scan  # noqa: E402
from edgetl.device.values import Preprocess  # noqa: E402
from edgetl.files import cache_dir, sha256_file  # noqa: E402
from edgetl.graph import metadata  # noqa: E402
from edgetl.quantization import cache, make  # noqa: E402
from edgetl.quantization.calibration.images import Calibration  # noqa: E402
from tests import trained_run as fixture  # noqa: E402
from tests.device import tiny  # noqa: E402

pytestmark = [pytest.mark.training, pytest.mark.engine]

PREPROCESS = Preprocess(resize=tiny.SIDE, crop=tiny.SIDE)
RECIPE = recipes.load("u8s8-minmax")
# The names of the recipes that something was made by.
calls: list[str] = []


def same(model: Any, recipe: Any, images: Any) -> Any:
    """Quantize nothing, and count."""
    calls.append(recipe.name)
    return model


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset and a tiny model that says what it is."""
    folder = tmp_path_factory.mktemp("run")
    fixture.draw_photos(folder / "photos", per_class=6)
    scan(folder / "photos").save(folder)
    model = onnx.load(tiny.save(folder / "model.onnx"))
    metadata.write(model, metadata.ModelFacts("tiny", fixture.CLASSES, PREPROCESS, "NHWC", "p", "d"))
    onnx.save(model, folder / "model.onnx")
    return folder


@pytest.fixture(autouse=True)
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    calls.clear()
    monkeypatch.setattr(make, "ENGINES", {"onnxruntime": (__name__, "same")})


def _made(run: Path, folder: Path, recipe: recipes.Recipe = RECIPE, seed: int = 0) -> Path:
    images = Calibration(Dataset.load(run), PREPROCESS, 4, seed)
    path = make.Workshop(run / "model.onnx", folder, images).make(recipe)
    assert isinstance(path, Path)
    return path


def _copies() -> list[Path]:
    return sorted((cache_dir() / cache.CACHE).iterdir())


def test_a_candidate_that_is_there_is_not_made_again(run: Path, tmp_path: Path) -> None:
    first = _made(run, tmp_path)
    written = first.stat().st_mtime_ns
    _copies()[0].unlink()
    assert _made(run, tmp_path) == first
    assert first.stat().st_mtime_ns == written
    assert len(calls) == 1


@pytest.mark.parametrize("change", ["recipe", "images", "version", "file"])
def test_what_it_was_made_from_decides(run: Path, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _made(run, tmp_path)
    right = path.read_bytes()
    recipe, seed = RECIPE, 0
    if change == "recipe":
        recipe = RECIPE.model_copy(update={"percentile": 99.0})
    elif change == "images":
        seed = 1
    elif change == "version":
        monkeypatch.setattr(make, "__version__", "another")
    else:
        path.write_bytes(right[:-1])
        _copies()[0].unlink()
    assert _made(run, tmp_path, recipe, seed) == path
    assert len(calls) == 2
    if change == "file":
        assert path.read_bytes() == right


def test_another_run_takes_it_from_the_cache(run: Path, tmp_path: Path) -> None:
    first, second = _made(run, tmp_path / "a"), _made(run, tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    assert len(calls) == 1


def test_a_damaged_copy_is_made_again(run: Path, tmp_path: Path) -> None:
    first = _made(run, tmp_path / "a")
    _copies()[0].write_bytes(b"damaged")
    assert _made(run, tmp_path / "b").read_bytes() == first.read_bytes()
    assert len(calls) == 2
    assert [path.read_bytes() for path in _copies()] == [first.read_bytes()]


def test_the_cache_keeps_what_was_used_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT", 25)
    for age, name in enumerate("abc"):
        cache.keep(name, ".onnx", name.encode() * 10)
        os.utime(_copies()[-1], (1000 + age, 1000 + age))
        if name == "b":
            assert cache.cached("a", ".onnx") == b"a" * 10
    assert [path.name[0] for path in _copies()] == ["a", "c"]
    cache.keep("d", ".onnx", b"d" * 26)
    assert [path.name[0] for path in _copies()] == ["a", "c"]


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGETL_CACHE", str(tmp_path / "file"))
    _made(run, tmp_path / "a")
    _made(run, tmp_path / "b")
    assert len(calls) == 2


def test_an_ir_is_a_zip_that_names_its_parent(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nncf")
    pytest.importorskip("openvino")
    monkeypatch.setattr(make, "ENGINES", {"nncf-openvino": ("edgetl.quantization.engines.nncf_openvino", "quantize")})
    recipe = recipes.load("nncf-openvino").model_copy(update={"samples": 4})
    path = _made(run, tmp_path, recipe)
    assert path.name == "nncf-openvino.zip"
    assert sha256_file(run / "model.onnx").encode() in path.read_bytes()
