"""`edgetl finetune` in two processes gives what it gives in one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from edgetl import classifier
from edgetl.progress import Silent
from edgetl.training.finetune import finetune
from edgetl.training.settings import FinetuneSettings
from tests.photos import class_folders
from tests.training.two_processes import torchrun

pytestmark = [pytest.mark.training, pytest.mark.engine]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "photos", {"red": 9, "green": 9, "blue": 9})


def test_the_probe_of_two_processes_is_that_of_one_bit_by_bit(photos: Path, tmp_path: Path) -> None:
    chosen = FinetuneSettings(run=tmp_path / "one", data=photos, arch="squeezenet1_1", weights="none")
    one = finetune(chosen, Silent())
    told = ("finetune", "--data", photos, "--arch", "squeezenet1_1", "--weights", "none", "--out", tmp_path / "two")
    done = torchrun("-m", "edgetl", *told, "--json")
    assert done.returncode == 0, done.stderr
    # One process speaks: exactly one object.
    two = json.loads(done.stdout)
    assert two["sha256"] == one.sha256
    assert (tmp_path / "two" / classifier.FILE).read_bytes() == (tmp_path / "one" / classifier.FILE).read_bytes()
    assert not list((tmp_path / "two").glob(".*"))
