"""A wheel, installed in an empty environment, works from any folder."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PAGE = "edgetl/reporting/html/templates"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(REPOSITORY)]
    subprocess.run(build, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_targets_recipes_and_backbone_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for folder in ("targets", "calibration"):
        packed = {Path(name).name for name in names if name.startswith(f"edgetl/_data/{folder}/")}
        assert packed == {path.name for path in (REPOSITORY / folder).glob("*.toml")} != set()
    pages = {name.removeprefix("edgetl/_data/docs/") for name in names if name.startswith("edgetl/_data/docs/")}
    written = {path.relative_to(REPOSITORY / "docs").as_posix() for path in (REPOSITORY / "docs").rglob("*.md")}
    assert pages == written != set(), "the pages, and nothing of what makes the site"
    assert any(name.endswith(".safetensors") for name in names)
    page = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / PAGE).rglob("*") if path.is_file()}
    assert page
    assert page <= set(names), "what `edgetl report` is made of"
    assert not [name for name in names if name.startswith(("tests", "benchmarks"))]


def test_the_base_install_lists_scans_and_explains_without_torch_or_an_engine(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True)

    def edgetl(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [environment / "bin" / "edgetl", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    names = [target["name"] for target in json.loads(edgetl("targets", "--json").stdout)["targets"]]
    assert {"host", "raspberry-pi-5", "intel-n100"} <= set(names)
    assert "resnet50" in edgetl("models").stdout
    assert "Images" in edgetl("docs", "troubleshooting#images").stdout
    refused = edgetl("finetune")
    assert refused.returncode == 2
    assert "edgetl[train]" in refused.stderr
    checked = edgetl("doctor", "--json")
    assert checked.returncode == 3
    assert any("onnxruntime" in problem["remedy"] for problem in json.loads(checked.stdout)["problems"])
