"""The packaged backbone: small, whole, honest about its origin, and found without loading anything heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgetl.demo.backbone import EMBEDDED_ARCH, embedded_weights_path

HEAVY = ("numpy", "torch", "PIL", "scipy")


def test_finding_the_backbone_imports_nothing_heavy() -> None:
    code = (
        "import sys; from edgetl.demo.backbone import embedded_weights_path; embedded_weights_path(); "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_file_is_at_most_six_megabytes() -> None:
    assert EMBEDDED_ARCH == "mobilenet_v2"
    assert 4_000_000 < embedded_weights_path().stat().st_size <= 6_000_000


def test_the_weights_are_all_there_and_nothing_else() -> None:
    torch = pytest.importorskip("torch")
    models = pytest.importorskip("torchvision.models")
    safetensors = pytest.importorskip("safetensors.torch")
    state = safetensors.load_file(embedded_weights_path())
    network = models.mobilenet_v2(weights=None)
    expected = {key for key in network.state_dict() if not key.startswith("classifier.")}
    assert set(state) == expected
    stripped = {key.removeprefix("features."): value for key, value in state.items()}
    network.features.load_state_dict(stripped, strict=True)
    assert all(torch.isfinite(value).all() for value in state.values() if value.is_floating_point())
    assert all(value.dtype == torch.float16 for value in state.values() if value.is_floating_point())


def test_the_file_says_where_it_comes_from() -> None:
    safetensors = pytest.importorskip("safetensors")
    with safetensors.safe_open(embedded_weights_path(), "np") as file:
        notes = file.metadata()
    assert notes["arch"] == EMBEDDED_ARCH
    assert "procedural" in notes["source"]
    assert {"seed", "steps", "classes", "images_seen", "distinct_images"} <= set(notes)
