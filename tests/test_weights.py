"""Source weights: where they may come from, and everything that must be refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from urllib.error import URLError

import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

from edgetl import backbones, classifier, weights  # noqa: E402
from edgetl.backbones import BACKBONES  # noqa: E402
from edgetl.device.values import Preprocess  # noqa: E402
from edgetl.errors import WeightsError  # noqa: E402
from tests.photos import Remarks  # noqa: E402

pytestmark = pytest.mark.training

SMALL = BACKBONES["squeezenet1_1"]
MOBILE = BACKBONES["mobilenet_v3_small"]


def original(name: str, classes: int) -> dict[str, torch.Tensor]:
    """Return the state dict of torchvision's own network with so many classes."""
    from torchvision.models import get_model

    torch.manual_seed(0)
    return dict(get_model(name, weights=None, num_classes=classes).state_dict())


def fits(path: Path, backbone: backbones.Backbone) -> weights.Weights:
    loaded = weights.load(str(path), backbone, seed=0)
    weights.attach(loaded, backbone)
    return loaded


@pytest.mark.parametrize("classes", [2, 1000])
def test_a_classifier_of_any_size_is_dropped(tmp_path: Path, classes: int) -> None:
    tensors = original(MOBILE.name, classes)
    torch.save(tensors, tmp_path / "w.pth")
    loaded = fits(tmp_path / "w.pth", MOBILE)
    assert "classifier.0.weight" in loaded.tensors
    assert not any(name.startswith("classifier.3.") for name in loaded.tensors)
    assert torch.equal(loaded.tensors["features.0.0.weight"], tensors["features.0.0.weight"])


def test_the_same_weights_from_other_files_have_the_same_digest(tmp_path: Path) -> None:
    tensors = original(MOBILE.name, 2)
    torch.save(tensors, tmp_path / "a.pth")
    torch.save(
        {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in tensors.items()}}, tmp_path / "b.pt"
    )
    safetensors.save_file(tensors, tmp_path / "c.safetensors")
    digests = {fits(tmp_path / name, MOBILE).digest() for name in ("a.pth", "b.pt", "c.safetensors")}
    assert len(digests) == 1
    tensors["features.0.0.weight"][0] += 1e-3
    torch.save(tensors, tmp_path / "d.pth")
    assert fits(tmp_path / "d.pth", MOBILE).digest() not in digests


def test_half_precision_without_counters_is_taken(tmp_path: Path) -> None:
    halves = {name: value.half() for name, value in original(MOBILE.name, 2).items() if "num_batches" not in name}
    safetensors.save_file(halves, tmp_path / "w.safetensors")
    loaded = fits(tmp_path / "w.safetensors", MOBILE)
    assert {value.dtype for value in loaded.tensors.values()} == {torch.float32, torch.int64}


@pytest.mark.parametrize("other", ["resnet18", "vgg11", "regnet_x_400mf"])
def test_weights_of_another_network_name_keys_and_that_network(tmp_path: Path, other: str) -> None:
    empty = backbones.build_empty(BACKBONES[other]).state_dict()
    tensors = {name: torch.empty(value.shape, dtype=torch.bool) for name, value in empty.items()}
    torch.save(tensors, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=rf"missing \(.*unknown \(.*, \.\.\.\).*--arch {other}"):
        fits(tmp_path / "w.pth", BACKBONES["mobilenet_v2"])


def test_one_tensor_of_another_shape_is_named(tmp_path: Path) -> None:
    tensors = original(SMALL.name, 2)
    tensors["features.0.weight"] = torch.zeros(64, 1, 3, 3)
    torch.save(tensors, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"1 of another shape \(features\.0\.weight\)\. Choose"):
        fits(tmp_path / "w.pth", SMALL)


class Malice:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("executed"),)  # type: ignore[return-value]


@pytest.mark.parametrize("write", [lambda value, path: path.write_bytes(pickle.dumps(value)), torch.save])
def test_a_pickle_is_refused_and_never_executed(tmp_path: Path, write: object) -> None:
    path = tmp_path / "w.pth"
    write({"features.0.weight": Malice()}, path)  # type: ignore[operator]
    with pytest.raises(WeightsError, match="was not executed"):
        fits(path, SMALL)
    assert not Path("executed").exists()


JUNK = {
    "text": b"these are no weights",
    "empty": b"",
    "zip": b"PK\x03\x04 broken",
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", JUNK.values(), ids=JUNK)
def test_junk_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=path.name):
        fits(path, SMALL)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    tensors = original(SMALL.name, 2)
    torch.save(tensors, tmp_path / "w.pth")
    safetensors.save_file(tensors, tmp_path / "w.safetensors")
    for path in (tmp_path / "w.pth", tmp_path / "w.safetensors"):
        path.write_bytes(path.read_bytes()[:100_000])
        with pytest.raises(WeightsError, match=path.name):
            fits(path, SMALL)


def test_numbers_that_are_no_state_dict_are_refused(tmp_path: Path) -> None:
    torch.save({"accuracy": 0.9}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="state dict"):
        fits(tmp_path / "w.pth", SMALL)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(WeightsError, match=r"'imagnet'.*Did you mean 'imagenet'"):
        weights.load("imagnet", SMALL, seed=0)


def test_a_classifier_that_edgetl_wrote_gives_its_backbone(tmp_path: Path) -> None:
    value = classifier.Classifier(arch=SMALL.name, head="linear", classes=("a", "b"), preprocess=Preprocess())
    network = classifier.build_module(value)
    classifier.save(tmp_path / "w.safetensors", value, network.state_dict())
    loaded = fits(tmp_path / "w.safetensors", SMALL)
    assert torch.equal(loaded.tensors["features.0.weight"], network.backbone.features[0].weight)
    with pytest.raises(WeightsError, match="--arch squeezenet1_1"):
        weights.load(str(tmp_path / "w.safetensors"), MOBILE, seed=0)


def test_random_weights_follow_the_seed_and_leave_torch_as_it_was() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = weights.load("none", SMALL, seed=1)
    assert torch.equal(torch.rand(3), expected)
    assert first.sha256 == ""
    assert first.digest() == weights.load("none", SMALL, seed=1).digest()
    assert first.digest() != weights.load("none", SMALL, seed=2).digest()


def test_the_embedded_weights_fit_their_network_and_no_other() -> None:
    embedded = BACKBONES["mobilenet_v2"]
    weights.attach(weights.load("embedded", embedded, seed=0), embedded)
    with pytest.raises(WeightsError, match="--arch mobilenet_v2"):
        weights.load("embedded", SMALL, seed=0)


def test_the_default_is_embedded_for_the_demo_alone() -> None:
    assert weights.default(None, "mobilenet_v2") == "embedded"
    assert weights.default(None, "resnet18") == "imagenet"
    assert weights.default(Path("photos"), "mobilenet_v2") == "imagenet"


def test_offline_the_three_ways_that_remain_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    with pytest.raises(WeightsError, match=r"no network.*Three ways.*FILE.*embedded.*none"):
        weights.load("imagenet", SMALL, seed=0)


def test_a_download_is_cached_and_checked_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    from edgetl.files import sha256_file

    source = tmp_path / "source.pth"
    torch.save(original(SMALL.name, 1000), source)
    published = dataclasses.replace(SMALL, weights=f"squeezenet-{sha256_file(source)[:8]}")
    fetched = []

    def fetch(url: str, path: str, **_: object) -> None:
        fetched.append(url)
        Path(path).write_bytes(source.read_bytes())

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    progress = Remarks()
    first = weights.load("imagenet", published, seed=0, progress=progress)
    assert "Downloading" in progress.remarks[0]
    assert weights.load("imagenet", published, seed=0).sha256 == first.sha256 == sha256_file(source)
    assert len(fetched) == 1
    (cached,) = (tmp_path / "torch").rglob("*.pth")
    cached.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="damaged"):
        weights.load("imagenet", published, seed=0)
