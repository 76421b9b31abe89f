"""`import edgetl`: every command is a function of it, whatever else was imported, and a type checker sees it."""

from __future__ import annotations

import importlib.util
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import edgetl
from edgetl import api
from tests.conftest import REPOSITORY

EXAMPLE = """
from typing import assert_type

import edgetl
from edgetl.artifacts import BenchResult, CheckResult, ExportResult, FinetuneResult, QuantizeResult, RunResult
from edgetl.delivery import BundleResult, ReportResult, ShipResult, VerifyResult

assert_type(edgetl.finetune("photos", arch="resnet18", strategy="auto", time_budget="5m"), FinetuneResult)
assert_type(edgetl.export(), ExportResult)
assert_type(edgetl.quantize(max_drop=0.005), QuantizeResult)
assert_type(edgetl.bench(providers=["cpu"]), BenchResult)
assert_type(edgetl.check().verdict == "pass", bool)
assert_type(edgetl.check(), CheckResult)
assert_type(edgetl.report("runs/bees", out="bees.html"), ReportResult)
assert_type(edgetl.bundle(), BundleResult)
assert_type(edgetl.verify("surface.pyz"), VerifyResult)
assert_type(edgetl.ship("surface.pyz", ["ssh://pi@line-1/opt/surface"]), ShipResult)
assert_type(edgetl.run("photos", target="raspberry-pi-5", seed=1), RunResult)
assert_type([row.arch for row in edgetl.rank("photos").rows], list[str])
edgetl.finetune("photos", strategy="prob")  # type: ignore[arg-type]
edgetl.run("photos", arhc="resnet18")  # type: ignore[call-arg]
edgetl.nothing()  # type: ignore[attr-defined]
"""


def test_every_function_is_there_and_no_room_is_called_as_one() -> None:
    assert set(api.__all__) | {"__version__"} == set(edgetl.__all__) == set(dir(edgetl))
    rooms = {module.name for module in pkgutil.iter_modules(edgetl.__path__)}
    assert not rooms & set(edgetl.__all__), "importing it would put it in the function's place"
    for name in api.__all__:
        assert inspect.isfunction(getattr(edgetl, name))
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        edgetl.quantise  # type: ignore[attr-defined]  # noqa: B018


def test_functions_stay_after_all_is_imported_and_importing_edgetl_loads_nothing() -> None:
    script = (
        "import sys, edgetl\n"
        "assert not [name for name in sys.modules if name.startswith('edgetl.')], sys.modules\n"
        "assert 'numpy' not in sys.modules and 'pydantic' not in sys.modules\n"
        "import edgetl.pipeline, edgetl.ranking.stage, edgetl.shipping.stage, edgetl.verification.stage, edgetl.cli\n"
        "assert all(callable(getattr(edgetl, name)) for name in edgetl.api.__all__)"
    )
    if importlib.util.find_spec("torch") is None:
        pytest.skip("the stages need torch")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_type_checker_sees_what_comes_back(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "example.py").write_text(EXAMPLE, encoding="utf-8")
    # That of `make lint`, which knows the package already.
    cache = REPOSITORY / ".mypy_cache"
    options = ["--strict", "--config-file", str(REPOSITORY / "pyproject.toml"), "--cache-dir", str(cache)]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(tmp_path / "example.py")],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 0, done.stdout
