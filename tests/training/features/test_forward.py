"""The fast way through the backbone is only taken when it computes what torch computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from edgetl import backbones  # noqa: E402
from edgetl.backbones import BACKBONES  # noqa: E402
from edgetl.device import providers  # noqa: E402
from edgetl.device.values import Preprocess  # noqa: E402
from edgetl.training.features import forward  # noqa: E402
from tests.photos import Remarks  # noqa: E402

pytestmark = [pytest.mark.training, pytest.mark.engine]

PREPROCESS = Preprocess(resize=72, crop=64)
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), dtype=np.uint8)


def network(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return backbones.build(BACKBONES["squeezenet1_1"]).eval()


def test_pixels_are_normalized_as_torchvision_does() -> None:
    from torchvision.transforms.functional import normalize, to_tensor

    images = forward.Images(torch.nn.Identity(), PREPROCESS)(torch.from_numpy(PIXELS[:1]))
    expected = normalize(to_tensor(PIXELS[0]), PREPROCESS.mean, PREPROCESS.std)
    torch.testing.assert_close(images[0], expected, atol=1e-5, rtol=0)


def test_an_engine_runs_the_backbone_and_agrees_with_torch(tmp_path: Path) -> None:
    progress, onnx = Remarks(), tmp_path / "b.onnx"
    run = forward.fastest(network(), PREPROCESS, onnx, PIXELS[:4], progress)
    assert onnx.is_file()
    assert not progress.remarks
    reference = forward.on_torch(network(), PREPROCESS)(PIXELS)
    np.testing.assert_allclose(run(PIXELS), reference, atol=1e-3 * np.abs(reference).max())


def test_features_of_an_image_do_not_depend_on_its_neighbours(tmp_path: Path) -> None:
    run = forward.fastest(network(), PREPROCESS, tmp_path / "b.onnx", PIXELS[:4], Remarks())
    assert np.array_equal(run(PIXELS)[5:6], run(PIXELS[5:6]))


def test_an_exported_backbone_that_differs_is_not_used(tmp_path: Path) -> None:
    progress, onnx = Remarks(), tmp_path / "b.onnx"
    forward.fastest(network(seed=1), PREPROCESS, onnx, PIXELS[:4], progress)
    run = forward.fastest(network(seed=0), PREPROCESS, onnx, PIXELS[:4], progress)
    assert any("differs" in remark for remark in progress.remarks)
    assert np.array_equal(run(PIXELS), forward.on_torch(network(seed=0), PREPROCESS)(PIXELS))
    assert not onnx.exists()


def test_an_error_that_says_nothing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def export(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(forward, "_export", export)
    progress = Remarks()
    run = forward.fastest(network(), PREPROCESS, tmp_path / "b.onnx", PIXELS[:4], progress)
    assert np.array_equal(run(PIXELS), forward.on_torch(network(), PREPROCESS)(PIXELS))
    assert any("MemoryError" in remark for remark in progress.remarks)


def test_without_an_engine_torch_does_it_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*_: object) -> None:
        raise providers.ProviderUnavailable("no engine here")

    monkeypatch.setattr(providers, "load", unavailable)
    progress = Remarks()
    run = forward.fastest(network(), PREPROCESS, tmp_path / "b.onnx", PIXELS[:4], progress)
    assert np.array_equal(run(PIXELS), forward.on_torch(network(), PREPROCESS)(PIXELS))
    assert any("torch" in remark and "no engine here" in remark for remark in progress.remarks)


def test_a_trunks_activations_keep_their_shape_and_leave_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    trunk = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, stride=4), torch.nn.ReLU()).eval()
    progress = Remarks()
    run = forward.fastest(trunk, PREPROCESS, None, PIXELS[:4], progress)
    assert not progress.remarks
    reference = forward.on_torch(trunk, PREPROCESS)(PIXELS)
    assert reference.shape == (9, 8, 16, 16)
    np.testing.assert_allclose(run(PIXELS), reference, atol=1e-5)
    assert not list(tmp_path.glob("edgetl-*"))


class Rounding(torch.nn.Module):
    """Mean colours that are off by ``error`` in float32, as those of a network that amplifies rounding."""

    def __init__(self, error: float) -> None:
        super().__init__()
        self.error = error

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        error = self.error if images.dtype == torch.float32 else 0.0
        return images.mean((2, 3)) + error


@pytest.mark.parametrize(("errors", "taken"), [(3, True), (20, False)], ids=["alike", "engine worse"])
def test_an_engine_may_be_off_by_what_torch_is_off_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, errors: float, taken: bool
) -> None:
    load = forward._engine
    size = float(np.abs(forward.on_torch(Rounding(0.0), PREPROCESS)(PIXELS)).max())
    network = Rounding(2e-3 * size)

    def worse(onnx: Path) -> forward.Forward:
        engine = load(onnx)
        return lambda pixels: engine(pixels) - np.float32((errors + 1) * network.error)

    monkeypatch.setattr(forward, "_engine", worse)
    progress = Remarks()
    forward.fastest(network, PREPROCESS, tmp_path / "n.onnx", PIXELS[:4], progress)
    assert bool(progress.remarks) is not taken
