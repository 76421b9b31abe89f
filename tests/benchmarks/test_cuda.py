"""The benchmark of a GPU: its code on a CPU, on a tiny network; on a GPU (tier `gpu`) a short run of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgetl.device.machine import nvidia_driver
from tests.conftest import REPOSITORY

for needed in ("torch", "torchvision", "onnx", "onnxruntime"):
    pytest.importorskip(needed)

from benchmarks.cuda.tables import markdown  # noqa: E402 - needs torch
from benchmarks.cuda.timing import sqnr_db  # noqa: E402

# Of what edgetl needs, that which a GPU machine with torch and ONNX Runtime need not have.
ABSENT = ("click", "rich", "psutil", "scipy", "openvino", "onnxscript", "onnx_ir", "safetensors", "nncf")


def run(out: Path, *options: str, absent: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    hidden = "".join(f"sys.modules[{name!r}] = None; " for name in absent)
    code = f"import runpy, sys; {hidden}sys.argv[0] = 'cuda'; runpy.run_module('benchmarks.cuda', run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", code, "--out", str(out), *options],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def found(out: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((out / "cuda.json").read_text())
    return result


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("smoke")
    done = run(out, "--smoke", absent=ABSENT)
    assert done.returncode == 0, done.stderr
    assert (out / "cuda.md").read_text() == markdown(found(out))
    return found(out)


def rows(result: dict[str, Any], **wanted: Any) -> list[dict[str, Any]]:
    return [row for row in result["rows"] if all(row.get(name) == value for name, value in wanted.items())]


@pytest.mark.engine
@pytest.mark.training
def test_every_step_is_done_without_what_a_gpu_machine_may_lack(smoke: dict[str, Any]) -> None:
    others = [row for row in smoke["rows"] if row["status"] not in ("measured", "unavailable")]
    assert others == []
    # No machine of a test has TensorRT; what cannot run is a row that says why.
    assert {row["engine"] for row in rows(smoke, status="unavailable")} <= {"tensorrt"}
    assert all(row["reason"] for row in rows(smoke, status="unavailable"))
    single = rows(smoke, engine="onnxruntime", batch=1, streams=1, status="measured")
    assert {row["file"] for row in single} == {"fp32", "fp16 converted", "fp16 exported", "int8"}
    assert {row["binding"] for row in single} == {"call", "copies", "device"}
    assert {row["engine"] for row in smoke["rows"] if "engine" in row} >= {"onnxruntime", "torch", "torch.compile"}
    assert {row["loop"] for row in rows(smoke, part="training")} >= {"edgetl", "torchvision's reference"}
    assert any(row["streams"] == 2 for row in smoke["rows"] if "streams" in row)
    assert smoke["ended"] == "all was tried"


@pytest.mark.engine
@pytest.mark.training
def test_each_figure_stands_beside_what_is_possible_and_where_it_ran(smoke: dict[str, Any]) -> None:
    assert {"bytes_per_s", "fp32", "TF32", "fp16", "int8"} == set(smoke["peaks"])
    timed = [row for row in rows(smoke, status="measured") if "p50_ms" in row]
    assert all(row["p50_ms"] > 0 and row["images_per_s"] > 0 and row["share"] > 0 for row in timed)
    ran = [row for row in timed if row["engine"] == "onnxruntime" and row["streams"] == 1]
    assert all(row["mac_share"] == {"CPUExecutionProvider": 1.0} for row in ran)
    turns = rows(smoke, part="side by side")
    (chosen,) = [row for row in turns if row["chosen"]]
    assert all(row["ms"] >= chosen["ms"] for row in turns if row["engine"] == "onnxruntime")


@pytest.mark.engine
@pytest.mark.training
def test_when_the_time_is_over_nothing_more_is_begun_and_what_was_found_is_kept(tmp_path: Path) -> None:
    done = run(tmp_path, "--smoke", "--minutes", "0")
    assert done.returncode == 3
    assert {row["status"] for row in found(tmp_path)["rows"]} == {"not tried"}
    assert found(tmp_path)["ended"] == "the time was over"
    assert found(tmp_path)["peaks"]


def test_logits_are_compared_by_power() -> None:
    reference = np.array([[1.0, -1.0], [2.0, -2.0]])
    assert sqnr_db(reference, reference) > 200
    assert sqnr_db(reference * 1.1, reference) == pytest.approx(20.0)
    assert sqnr_db(reference * np.nan, reference) == float("-inf")


def test_no_gpu_is_one_sentence(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    done = run(tmp_path)
    assert done.returncode == 3
    assert "torch sees no GPU here" in done.stderr
    refused = run(tmp_path, "--onnxruntime", str(tmp_path))
    assert refused.returncode == 2
    assert "has no folder 'onnxruntime'" in refused.stderr


@pytest.mark.gpu
def test_on_a_gpu_the_whole_network_runs_there_and_half_precision_is_right(tmp_path: Path) -> None:
    if nvidia_driver() is None:
        pytest.skip("no NVIDIA driver here")
    done = run(tmp_path, "--minutes", "2", "--model", "mobilenet_v2")
    assert done.returncode == 0, done.stdout + done.stderr
    ran = rows(found(tmp_path), engine="onnxruntime", status="measured", batch=1, streams=1)
    assert {"fp32", "fp16 converted"} <= {row["file"] for row in ran}
    assert all(row["mac_share"] == {"CUDAExecutionProvider": 1.0} for row in ran)
