"""Training is fed the same pictures whatever the order, and the same activations whether they are kept or not."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from torch import Tensor, nn  # noqa: E402

from edgetl import pixels as decoding  # noqa: E402
from edgetl.device.preprocess import load_image  # noqa: E402
from edgetl.device.values import Preprocess  # noqa: E402
from edgetl.errors import DataError, UsageError  # noqa: E402
from edgetl.files import cache_dir  # noqa: E402
from edgetl.training.augment import augment  # noqa: E402
from edgetl.training.features.extraction import View  # noqa: E402
from edgetl.training.inputs import activations  # noqa: E402
from edgetl.training.inputs.feed import Inputs, Photos, of_activations, of_pixels  # noqa: E402
from tests.photos import Remarks, photo  # noqa: E402

pytestmark = [pytest.mark.training, pytest.mark.engine]

PREPROCESS = Preprocess(resize=40, crop=32)
COUNT = 10
ORDER = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
OTHER = [[9], [3, 0, 8, 1, 2], [], [7, 6, 5, 4]]
# Of the trunk's activations, 3 x 5 x 5 halves.
ROW = 150


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    paths = [photo(tmp_path / f"{index}.png", seed=index) for index in range(COUNT)]
    return Photos(paths, [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths], PREPROCESS)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the images that were decoded, as they are."""
    names: list[str] = []

    def noting(path: Path, preprocess: Preprocess) -> np.ndarray:
        names.append(Path(path).stem)
        return load_image(path, preprocess)

    monkeypatch.setattr(decoding, "load_image", noting)
    return names


def trunk(times: float = 1.0) -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 3, 8, stride=6), nn.ReLU()).eval().requires_grad_(False)
    network[0].weight *= times
    return network


def by_index(batches: Iterator[Tensor], order: list[list[int]] = ORDER) -> list[Tensor]:
    rows = dict(pair for batch, tensor in zip(order, batches, strict=True) for pair in zip(batch, tensor, strict=True))
    return [rows[index] for index in sorted(rows)]


def test_plain_pixels_are_what_the_runner_sees(photos: Photos) -> None:
    (images,) = of_pixels(photos, "strong", 0).plain([[3, 1]])
    pixels = np.stack([load_image(photos.paths[index], PREPROCESS) for index in (3, 1)])
    expected = (pixels / 255 - PREPROCESS.mean) / PREPROCESS.std
    np.testing.assert_allclose(images.permute(0, 2, 3, 1).numpy(), expected, atol=1e-5)
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_a_picture_is_varied_by_seed_epoch_and_content_alone(photos: Photos) -> None:
    inputs = of_pixels(photos, "strong", 0)
    first = by_index(inputs.batches(2, ORDER))
    assert all(torch.equal(a, b) for a, b in zip(first, by_index(inputs.batches(2, OTHER), OTHER), strict=True))
    renamed = Photos(photos.paths[::-1], photos.hashes[::-1], PREPROCESS)
    backwards = by_index(of_pixels(renamed, "strong", 0).batches(2, ORDER))
    assert all(torch.equal(a, b) for a, b in zip(first, backwards[::-1], strict=True))
    for others in (inputs.batches(3, ORDER), of_pixels(photos, "strong", 1).batches(2, ORDER)):
        assert not any(torch.equal(a, b) for a, b in zip(first, by_index(others), strict=True))


def test_views_are_those_of_the_cached_features(photos: Photos) -> None:
    (image,) = of_pixels(photos, "standard", 5).batches(2, [[4]])
    square = load_image(photos.paths[4], Preprocess(resize=40, crop=40))
    pixels = augment(square, "standard", 32, View("standard", 2, 5).seed_of(photos.hashes[4]))
    expected = (pixels / 255 - PREPROCESS.mean) / PREPROCESS.std
    np.testing.assert_allclose(image[0].permute(1, 2, 0).numpy(), expected, atol=1e-5)


def test_an_unreadable_image_and_an_unknown_augmentation_are_named(photos: Photos) -> None:
    with pytest.raises(UsageError, match="lihgt"):
        of_pixels(photos, "lihgt", 0)
    with pytest.raises(UsageError, match="lihgt"), of_activations(trunk(), photos, "lihgt", 2, 0, Remarks()):
        pass
    photos.paths[5].write_bytes(b"no image")
    with pytest.raises(DataError, match=r"5\.png"):
        list(of_pixels(photos, "light", 0).batches(0, ORDER))
    with (
        pytest.raises(DataError, match=r"5\.png"),
        of_activations(trunk(), photos, "light", 2, 0, Remarks()) as inputs,
    ):
        list(inputs.batches(0, ORDER))


def test_activations_are_the_trunks_of_the_same_views(photos: Photos) -> None:
    images, progress = of_pixels(photos, "strong", 0), Remarks()
    with of_activations(trunk(), photos, "strong", 3, 0, progress) as inputs:
        for epoch in (0, 1, 2, 4):
            found = list(inputs.batches(epoch, OTHER))
            for one, other in zip(found, images.batches(epoch % 3, OTHER), strict=True):
                assert one.shape == (len(other), 3, 5, 5)
                assert one.dtype == torch.float32
                assert not len(one) or one.is_contiguous(memory_format=torch.channels_last)
                torch.testing.assert_close(one, trunk()(other), atol=2e-3, rtol=1e-3)
        for one, other in zip(inputs.plain(ORDER), images.plain(ORDER), strict=True):
            torch.testing.assert_close(one, trunk()(other), atol=2e-3, rtol=1e-3)
    assert not progress.remarks
    assert ("views", COUNT, COUNT) in progress.steps


def test_an_image_is_decoded_once_for_all_its_views_and_only_if_asked_for(photos: Photos, decoded: list[str]) -> None:
    with of_activations(trunk(), photos, "light", 3, 0, Remarks()) as inputs:
        decoded.clear()
        # One of two processes' share of the first epoch, then another share of the second.
        list(inputs.batches(0, [[1, 3], [5]]))
        assert sorted(decoded) == ["1", "3", "5"]
        list(inputs.batches(1, [[1, 2], [3]]))
        assert sorted(decoded) == ["1", "2", "3", "5"]
        list(inputs.batches(2, [[5, 3, 2, 1]]))
        assert len(decoded) == 4
        # Plain ones are made for those that validate.
        list(inputs.plain([[1, 8]]))
        list(inputs.plain([[8], [1]]))
        assert sorted(decoded) == ["1", "1", "2", "3", "5", "8"]


def test_without_augmentation_all_epochs_see_the_plain_images(photos: Photos) -> None:
    for name, views in (("none", 4), ("light", 0)):
        with of_activations(trunk(), photos, name, views, 0, Remarks()) as inputs:
            plain = by_index(inputs.plain(ORDER))
            assert all(torch.equal(a, b) for a, b in zip(by_index(inputs.batches(3, ORDER)), plain, strict=True))


def test_there_are_fewer_views_when_the_disk_would_hold_too_much(photos: Photos) -> None:
    progress = Remarks()
    with of_activations(trunk(), photos, "light", 6, 0, progress, limit=4 * COUNT * ROW) as inputs:
        epochs = [torch.stack(by_index(inputs.batches(epoch, ORDER))) for epoch in range(4)]
    assert torch.equal(epochs[0], epochs[3])
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[0], epochs[2])
    assert any("3 views" in remark and "instead of 6" in remark for remark in progress.remarks)


@pytest.mark.parametrize(("views", "rows"), [(6, 2), (0, 0)])
def test_what_cannot_be_kept_at_all_is_made_anew_in_each_epoch(
    photos: Photos, decoded: list[str], views: int, rows: int
) -> None:
    progress = Remarks()
    with of_activations(trunk(), photos, "light", views, 0, progress, limit=rows * COUNT * ROW) as inputs:
        decoded.clear()
        epochs = [torch.stack(by_index(inputs.batches(epoch, ORDER))) for epoch in range(8)]
        assert len(decoded) == 8 * COUNT
    assert any("anew" in remark for remark in progress.remarks)
    assert len({tuple(epoch.flatten().tolist()) for epoch in epochs}) == (8 if views else 1)


def test_a_full_disk_changes_no_number(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    def epochs(inputs: Inputs) -> list[list[Tensor]]:
        return [by_index(inputs.batches(epoch, OTHER), OTHER) for epoch in range(3)] + [by_index(inputs.plain(ORDER))]

    with of_activations(trunk(), photos, "light", 2, 0, Remarks()) as inputs:
        expected = epochs(inputs)

    class Full(io.FileIO):
        def write(self, data: bytes) -> int:  # type: ignore[override]
            # As the system does: what fits is written, then nothing.
            return super().write(memoryview(data).cast("B")[: max(0, 1000 - self.tell())])

    def small(**options: object) -> io.FileIO:
        return Full(cache_dir() / "small", "w+")

    monkeypatch.setattr(activations.tempfile, "TemporaryFile", small)
    progress = Remarks()
    with of_activations(trunk(), photos, "light", 2, 0, progress) as inputs:
        found = epochs(inputs)
    for one, other in zip(expected, found, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert len([remark for remark in progress.remarks if "No space left" in remark]) == 1


def test_a_folder_that_cannot_be_written_is_no_end(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    with of_activations(trunk(), photos, "light", 2, 0, Remarks()) as inputs:
        expected = by_index(inputs.batches(3, ORDER))

    def refused(**options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(activations.tempfile, "TemporaryFile", refused)
    progress = Remarks()
    with of_activations(trunk(), photos, "light", 2, 0, progress) as inputs:
        assert all(torch.equal(a, b) for a, b in zip(expected, by_index(inputs.batches(3, ORDER)), strict=True))
    assert any("Permission denied" in remark for remark in progress.remarks)


def test_no_file_can_be_left_behind(photos: Photos) -> None:
    def kept() -> list[Path]:
        return [path for path in cache_dir().rglob("*") if path.is_file() and path.suffix != ".onnx"]

    with (
        pytest.raises(KeyboardInterrupt),
        of_activations(trunk(), photos, "light", 2, 0, Remarks()) as inputs,
    ):
        list(inputs.batches(0, ORDER))
        # Not even now: what has no name needs no cleaning up after a kill.
        assert not kept()
        raise KeyboardInterrupt
    assert not kept()


def test_large_activations_are_kept_in_full(photos: Photos) -> None:
    with of_activations(trunk(times=1e6), photos, "light", 2, 0, Remarks()) as inputs:
        (found,) = inputs.plain([[0, 1]])
    (images,) = of_pixels(photos, "light", 0).plain([[0, 1]])
    assert found.max() > 70_000
    torch.testing.assert_close(found, trunk(times=1e6)(images), atol=10, rtol=1e-4)
