"""The runner must work on a device: Python 3.10, the standard library, numpy, Pillow and one engine."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import edgetl.device

FOLDER = Path(edgetl.device.__file__).parent

BLOCKER = """
import importlib, importlib.abc, pkgutil, sys

ALLOWED = {"numpy", "PIL", "edgetl", *sys.stdlib_module_names}
ASKED = set()

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in ALLOWED or (top == "edgetl" and name != "edgetl" and not name.startswith("edgetl.device")):
            # numpy and Pillow try optional packages themselves, and do without.
            frame, importer = sys._getframe(1), ""
            while frame and importer.partition(".")[0] in ("", "importlib", "_frozen_importlib"):
                importer, frame = frame.f_globals.get("__name__", ""), frame.f_back
            if importer.startswith("edgetl"):
                ASKED.add(name)
            raise ModuleNotFoundError(name, name=name)
        return None

sys.meta_path.insert(0, Blocker())
import edgetl.device
for module in pkgutil.walk_packages(edgetl.device.__path__, "edgetl.device."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(sorted(ASKED))
"""


def test_every_module_imports_without_engines_and_the_rest_of_edgetl() -> None:
    result = subprocess.run([sys.executable, "-c", BLOCKER], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


def test_a_runner_answers_without_loading_an_engine() -> None:
    code = (
        "import sys; from edgetl.device.worker import main; main()\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & {'torch', 'onnxruntime', 'openvino', 'scipy', "
        "'pydantic'}), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], input=b'{"op":"hello"}\n', capture_output=True, timeout=60, check=True
    )
    assert result.stderr.decode().strip() == "[]"


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: str(path.relative_to(FOLDER)))
def test_the_syntax_is_that_of_python_3_10(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))
