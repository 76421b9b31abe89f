"""The examples for people who embed the model themselves: they are what the docs show, and they run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import installed
from tests.bundles import bundle

DOCS = Path(__file__).resolve().parent.parent / "docs"


@pytest.mark.parametrize("name", ["classify.py", "classify.cpp"])
def test_the_docs_show_the_examples_as_they_are(name: str) -> None:
    assert (DOCS / "examples" / name).read_text() in (DOCS / "shipping.md").read_text()


def test_the_python_example_classifies_with_the_bundle_alone(tmp_path: Path) -> None:
    path = bundle(tmp_path / "surface.pyz")
    Image.fromarray(np.full((9, 9, 3), 210, np.uint8)).save(tmp_path / "photo.png")
    packages = os.pathsep.join(each for each in sys.path if "site-packages" in each)
    done = subprocess.run(
        [sys.executable, "-S", str(DOCS / "examples" / "classify.py"), str(path), "photo.png"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": packages},
        check=False,
    )
    assert done.stdout.startswith("photo.png bright 0.5"), done.stderr


@pytest.mark.engine
def test_the_c_example_answers_as_the_runner(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    openvino = pytest.importorskip("openvino")
    from tests.device import tiny

    installed.require(("g++",), ("g++",))
    root = Path(openvino.__file__).parent
    library = next(path for path in (root / "libs").glob("libopenvino.so.*"))
    program = tmp_path / "classify"
    link = [f"-I{root / 'include'}", f"-L{library.parent}", f"-l:{library.name}", f"-Wl,-rpath,{library.parent}"]
    source = DOCS / "examples" / "classify.cpp"
    subprocess.run(["g++", "-std=c++17", str(source), *link, "-o", str(program)], check=True, timeout=300)
    model, pixels = tiny.save(tmp_path / "m.onnx", batch=1), tiny.images(6)
    for image, logits in zip(pixels, tiny.expected(pixels), strict=True):
        asked = [str(program), str(model), str(tiny.SIDE)]
        done = subprocess.run(asked, input=image.tobytes(), capture_output=True, check=True)
        assert int(done.stdout) == int(logits.argmax())
