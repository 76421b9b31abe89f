"""`edgetl quantize` as a process: a model from elsewhere, a worker from elsewhere, and the explanation."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests.adopt import foreign
from tests.cli.hostile import run

pytestmark = pytest.mark.engine

TARGET = """
name = "board"
description = "a test board"
threads = 1
[machine]
architecture = "x86_64"
[[candidates]]
provider = "cpu"
[[candidates]]
provider = "cpu"
precision = "int8"
recipe = "u8s8-minmax"
[budgets]
top1_drop = 0.9
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A float NCHW model of another tool, with photos and a target beside it."""
    Path("board.toml").write_text(TARGET)
    foreign.draw(Path("photos"), 40)
    return foreign.save(Path("theirs.onnx"))


def test_a_model_from_elsewhere_goes_all_the_way_on_a_worker_from_elsewhere(model: Path) -> None:
    elsewhere = f"{sys.executable} -m edgetl.device"
    options = ("--target", "board.toml", "--time-budget", "15s", "--on", elsewhere)
    said = run("quantize", str(model), "--calibration", "photos", *options, "--json")
    assert said.code == 0, said.err
    result = json.loads(said.out)
    # Without labels the model's own answers are the truth: it agrees with itself, and int8 nearly does.
    assert result["labelled_by"] == "model"
    assert [each["name"] for each in result["candidates"]][:2] == ["cpu-fp32", "cpu-int8-u8s8-minmax"]
    assert result["candidates"][0]["accuracy"] == 1.0
    int8 = result["candidates"][1]
    assert int8["accuracy"] == int8["agreement"] > 0.5
    # What it left is a run like any other, and the last one.
    for command, codes in (("bench", (0,)), ("check", (0, 1, 4))):
        followed = run(command, "--time-budget", "4s", "--json")
        assert followed.code in codes, followed.err
    explained = run("quantize", "--explain", "--candidate", "cpu-int8-u8s8-minmax", "--json")
    assert explained.code == 0, explained.err
    nodes = json.loads(explained.out)["nodes"]
    assert {node["runs_in"] for node in nodes} == {"int8", "float"}
    assert all(node["why"] for node in nodes if node["runs_in"] == "float")
    text = run("quantize", "--explain", "--candidate", "cpu-int8-u8s8-minmax")
    assert "SQNR" in text.out


def test_a_worker_that_cannot_be_reached_is_one_sentence_and_leaves_no_result(model: Path) -> None:
    options = ("--target", "board.toml", "--on", "no-such-program --here")
    said = run("quantize", str(model), "--calibration", "photos", *options)
    assert said.code == 3
    assert "no-such-program" in said.err and "Traceback" not in said.err
    assert not list(Path("runs").rglob("quantize.json"))
