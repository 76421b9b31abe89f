"""A classifier's file holds all that is needed to run it again."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from edgetl import classifier  # noqa: E402
from edgetl.backbones import HALF  # noqa: E402
from edgetl.errors import RunError  # noqa: E402

pytestmark = pytest.mark.training


@pytest.mark.parametrize(("arch", "head"), [("squeezenet1_1", "mlp:8"), ("regnet_x_400mf", "linear")])
def test_a_stored_classifier_gives_the_same_logits(tmp_path: Path, arch: str, head: str) -> None:
    value = classifier.Classifier(arch=arch, head=head, classes=("a", "ü", "c"), preprocess=HALF)
    network = classifier.build_module(value).eval()
    classifier.save(tmp_path / "c.safetensors", value, network.state_dict())
    again, loaded = classifier.load(tmp_path / "c.safetensors")
    assert again == value
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(loaded(images), network(images))
        assert loaded(images).shape == (2, 3)


def test_another_file_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "c.safetensors"
    for write in (
        lambda: path.write_bytes(b"junk"),
        lambda: save_file({"a": torch.zeros(1)}, path),
        lambda: save_file({"a": torch.zeros(1)}, path, metadata={classifier.METADATA: '{"arch": "resnet18"}'}),
        path.unlink,
    ):
        write()
        with pytest.raises(RunError, match="not a classifier"):
            classifier.load(path)


def test_tensors_of_another_network_are_refused(tmp_path: Path) -> None:
    value = classifier.Classifier(arch="squeezenet1_1", head="linear", classes=("a", "b"), preprocess=HALF)
    classifier.save(tmp_path / "c.safetensors", value, {"head.0.weight": torch.zeros(2, 512)})
    with pytest.raises(RunError, match="does not hold a squeezenet1_1"):
        classifier.load(tmp_path / "c.safetensors")
