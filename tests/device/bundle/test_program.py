"""The program in a bundle, run as on a device: by a Python that has no edgetl."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgetl.device.bundle.manifest import Limits
from edgetl.device.bundle.signal import off
from edgetl.device.values import SessionSpec
from tests.bundles import LEVELS, MS, bundle, contents, encoded, summed


def run(path: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a bundle in another folder, where of this checkout nothing is found."""
    packages = os.pathsep.join(each for each in sys.path if "site-packages" in each)
    return subprocess.run(
        [sys.executable, "-S", str(path), *arguments],
        input=stdin,
        capture_output=True,
        cwd=path.parent,
        env={"PYTHONPATH": packages, "PATH": os.environ["PATH"]},
        check=False,
    )


def photo(path: Path, level: int) -> Path:
    Image.fromarray(np.full((12, 16, 3), level, np.uint8)).save(path)
    return path


def lines(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    return [json.loads(each) for each in done.stdout.splitlines()]


def test_verify_says_what_it_found(tmp_path: Path) -> None:
    path = bundle(tmp_path / "surface.pyz")
    done = run(path, "verify", "--json", "--seconds", "0.1")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["ok"], found["accuracy"], found["agreement"]) == (True, 1.0, 1.0)
    assert found["latency"]["p50_ms"] == 1.0
    shown = run(path, "verify").stdout.decode()
    assert shown.startswith("OK: surface-")
    assert "p50 1.00 ms" in shown


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"logits": {"by": "hash"}}, "of their spread, where it was"),
        ({"flips": 1.0}, "golden images are right"),
        ({"classes": 4}, "4 classes instead of 3"),
        ({"precision": "fp32"}, "computes in fp32 here, not in int8"),
        ({"limits": Limits(latency_p50_ms=0.9)}, "the p50 of inference is 1 ms or more"),
        ({"limits": Limits(end_to_end_ms=0.5)}, "from image to class"),
        ({"limits": Limits(memory_mb=1)}, "MB of memory"),
    ],
)
def test_a_model_that_does_something_else_is_not_ok_and_says_why(
    tmp_path: Path, given: dict[str, Any], why: str
) -> None:
    done = run(bundle(tmp_path / "surface.pyz", **given), "verify", "--json", "--seconds", "0.1")
    found = json.loads(done.stdout)
    assert (done.returncode, found["ok"]) == (1, False)
    assert any(why in reason for reason in found["reasons"]), found["reasons"]


@pytest.mark.parametrize(
    ("db", "told"),
    [(20, "10 %"), (32.2, "2.5 %"), (9.5, "33 %"), (0, "100 %"), (-20, "1000 %"), (90, "less than 0.01 %")],
)
def test_an_error_is_told_as_a_share_of_the_signal(db: float, told: str) -> None:
    assert off(db) == told


def test_a_disturbance_is_no_reason(tmp_path: Path) -> None:
    limits = Limits(latency_p50_ms=1.5, latency_p90_ms=1.5)
    times = [MS] * 60 + [50 * MS] * 9
    path = bundle(tmp_path / "surface.pyz", limits=limits, latency_ns=times)
    assert run(path, "verify", "--seconds", "0.1").returncode == 0


def test_predict_takes_files_folders_and_standard_input(tmp_path: Path) -> None:
    path = bundle(tmp_path / "surface.pyz")
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    named = [
        photo(tmp_path / "photos" / name, level)
        for name, level in zip(("a.png", "deep/b.png", "c.png"), LEVELS, strict=True)
    ]
    (tmp_path / "photos" / "notes.txt").write_text("not an image")
    told = lines(run(path, "predict", "photos", "photos/c.png"))
    assert [(each["image"], each["label"]) for each in told] == [
        ("photos/a.png", "dark"),
        ("photos/c.png", "bright"),
        ("photos/deep/b.png", "middle"),
        ("photos/c.png", "bright"),
    ]
    assert told[0]["probability"] == pytest.approx(np.e / (np.e + 2), abs=1e-6)
    listed = "\n".join(map(str, named)).encode()
    assert [each["label"] for each in lines(run(path, "predict", "-", stdin=listed))] == ["dark", "middle", "bright"]
    (one,) = lines(run(path, "predict", "-", "--top", "2", stdin=named[2].read_bytes()))
    assert [each["label"] for each in one["top"]] == ["bright", "dark"]


def test_an_image_that_cannot_be_read_is_a_line_and_the_others_are_still_told(tmp_path: Path) -> None:
    path = bundle(tmp_path / "surface.pyz")
    photo(tmp_path / "good.png", 30)
    (tmp_path / "bad.png").write_bytes(b"no image")
    done = run(path, "predict", "missing.png", "bad.png", "good.png")
    assert done.returncode == 1
    assert [each.get("label", each.get("error")) for each in lines(done)] == [
        "no such file",
        "not an image of a known format",
        "dark",
    ]


def test_bench_times_one_image(tmp_path: Path) -> None:
    path = bundle(tmp_path / "surface.pyz")
    found = json.loads(run(path, "bench", "--json", "--seconds", "0.1").stdout)
    assert found["latency"]["p50_ms"] == 1.0
    assert "p50 1.00 ms" in run(path, "bench", "--seconds", "0.1").stdout.decode()


def test_a_bundle_that_was_changed_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "surface.pyz"
    path.write_bytes(encoded({**contents(), "golden/0000.png": b"changed"}))
    done = run(path, "predict", "x.png")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"golden/0000.png that was changed" in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_engine_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    members = contents(spec=SessionSpec("openvino", "int8"))
    path = tmp_path / "surface.pyz"
    # An engine whose import fails stands in for one that was not installed.
    path.write_bytes(encoded(summed({**members, "openvino.py": b"raise ImportError('none here')"})))
    done = run(path, "verify")
    assert done.returncode == 3
    assert b"OpenVINO cannot be imported" in done.stderr
    assert b"Traceback" not in done.stderr


def test_without_numpy_it_says_what_to_install(tmp_path: Path) -> None:
    members = contents()
    path = tmp_path / "surface.pyz"
    path.write_bytes(encoded(summed({**members, "numpy.py": b"raise ModuleNotFoundError('no', name='numpy')"})))
    done = run(path, "verify")
    assert done.returncode == 3
    assert done.stderr.decode().strip() == (
        "Error: numpy is not installed here. Run: python3 -m pip install numpy pillow"
    )


def test_whoever_reads_only_the_first_line_is_no_error(tmp_path: Path) -> None:
    path = bundle(tmp_path / "surface.pyz")
    names = " ".join([str(photo(tmp_path / "a.png", 30))] * 400)
    done = subprocess.run(
        f"{sys.executable} {path} predict {names} | head -1", shell=True, capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout)["label"] == "dark"
    assert done.stderr == ""
