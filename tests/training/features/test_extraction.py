"""The cache of features: what is computed once is never computed again, and never taken for something else."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from edgetl import pixels as decoding
from edgetl.device.values import Preprocess
from edgetl.files import cache_dir, sha256_file
from edgetl.pixels import Pixels
from edgetl.training.augment import Recipe
from edgetl.training.features import cache, extraction
from edgetl.training.features.extraction import Source, View
from tests.photos import Remarks, photo

SMALL = Preprocess(resize=40, crop=32)
SOURCE = Source("weights", "arch", SMALL)


class Backbone:
    """A backbone whose features are the mean colour, and which counts the images that it saw."""

    def __init__(self) -> None:
        self.seen = 0

    def make(self, sample: Pixels) -> extraction.Forward:
        assert sample.dtype == np.uint8
        assert sample.shape[1:] == (32, 32, 3)
        return self.run

    def run(self, pixels: Pixels) -> extraction.Features:
        self.seen += len(pixels)
        return pixels.mean((1, 2), dtype=np.float32)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [photo(tmp_path / f"{index}.png", (20 * index, 90, 90), seed=index) for index in range(10)]


def extract(source: Source, paths: list[Path], view: View | None = None) -> tuple[extraction.Features, int]:
    backbone = Backbone()
    hashes = [sha256_file(path) for path in paths]
    return extraction.extract(source, paths, hashes, 3, backbone.make, Remarks(), view=view), backbone.seen


def test_a_second_time_no_image_is_seen(paths: list[Path]) -> None:
    first, seen = extract(SOURCE, paths)
    assert seen == 10
    assert np.all(np.diff(first[:, 0]) > 0)
    again, seen = extract(SOURCE, paths[::-1])
    assert seen == 0
    assert np.array_equal(again, first[::-1])


def test_only_new_images_are_seen(paths: list[Path]) -> None:
    extract(SOURCE, paths[:6])
    mixed, seen = extract(SOURCE, paths[::-1])
    assert seen == 4
    assert np.all(np.diff(mixed[:, 0]) < 0)


def test_an_image_is_known_by_its_content_and_not_by_its_name(paths: list[Path]) -> None:
    first, _ = extract(SOURCE, paths)
    renamed = paths[0].rename(paths[0].with_name("renamed.png"))
    photo(paths[0], (250, 0, 0), seed=50)
    changed, seen = extract(SOURCE, [renamed, paths[0]])
    assert seen == 1
    assert np.array_equal(changed[0], first[0])
    assert changed[1, 0] > 150


@pytest.mark.parametrize(
    "other",
    [
        Source("other", "arch", SMALL),
        Source("weights", "other", SMALL),
        Source("weights", "arch", Preprocess(resize=44, crop=32)),
        Source("weights", "arch", Preprocess(resize=40, crop=32, mean=(0.5, 0.5, 0.5))),
    ],
    ids=["weights", "arch", "size", "mean"],
)
def test_another_source_shares_nothing(paths: list[Path], other: Source) -> None:
    extract(SOURCE, paths)
    assert extract(other, paths)[1] == 10


def test_a_damaged_block_is_made_again(paths: list[Path]) -> None:
    first, _ = extract(SOURCE, paths)
    (block,) = SOURCE.folder().iterdir()
    for damage in (block.read_bytes()[:200], b"junk", b""):
        block.write_bytes(damage)
        again, seen = extract(SOURCE, paths)
        assert seen == 10
        assert np.array_equal(again, first)


def test_what_was_done_before_an_interruption_is_kept(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "BATCH", 2)
    monkeypatch.setattr(extraction, "BATCH_PER_CORE", 0)
    monkeypatch.setattr(extraction, "BLOCK", 4)

    class Interrupted(Backbone):
        def run(self, pixels: Pixels) -> extraction.Features:
            if self.seen >= 8:
                raise KeyboardInterrupt
            return super().run(pixels)

    with pytest.raises(KeyboardInterrupt):
        extraction.extract(SOURCE, paths, [sha256_file(path) for path in paths], 3, Interrupted().make, Remarks())
    assert extract(SOURCE, paths)[1] == 2


def test_copies_of_an_image_all_get_their_features(paths: list[Path]) -> None:
    extract(SOURCE, paths[:1])
    both, seen = extract(SOURCE, [paths[0], paths[1], paths[0]])
    assert seen == 1
    assert np.array_equal(both[0], both[2])
    assert not np.array_equal(both[0], both[1])


@pytest.fixture
def shifted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Pixels, int]]:
    """An augmentation that crops an image and adds a random grey; the images that it was given, and their greys."""
    given = []

    def augment(pixels: Pixels, name: str, size: int, seed: np.random.SeedSequence) -> Pixels:
        grey = int(np.random.default_rng(seed).integers(0, 60))
        given.append((pixels, grey))
        return np.minimum(pixels[:size, :size].astype(int) + grey, 255).astype(np.uint8)

    monkeypatch.setattr(extraction, "augment", augment)
    return given


def test_augmented_views_have_features_of_their_own(paths: list[Path], shifted: list[tuple[Pixels, int]]) -> None:
    plain, _ = extract(SOURCE, paths)
    views = [View("light", 0, 0), View("light", 1, 0), View("light", 0, 1), View("strong", 0, 0)]
    found = [extract(SOURCE, paths, view)[0] for view in views]
    for index, one in enumerate(found[:3]):
        assert not any(np.array_equal(one, other) for other in (plain, *found[:index]))
        assert extract(SOURCE, paths, views[index])[1] == 0
    # Another augmentation may do the same, but is not taken for it.
    assert len(shifted) == len(views) * len(paths)
    assert np.array_equal(extract(SOURCE, paths)[0], plain)


def test_an_augmentation_sees_more_than_the_crop_and_draws_by_content(
    paths: list[Path], shifted: list[tuple[Pixels, int]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    view = View("light", 0, 0)
    first, _ = extract(SOURCE, paths, view)
    assert {pixels.shape for pixels, _ in shifted} == {(40, 40, 3)}
    assert len({grey for _, grey in shifted}) > 5
    monkeypatch.setenv("EDGETL_CACHE", str(tmp_path / "another"))
    moved = [path.rename(path.with_name(f"moved-{path.name}")) for path in paths]
    again, seen = extract(SOURCE, moved[::-1], view)
    assert seen == 10
    assert np.array_equal(again, first[::-1])


def test_the_cache_is_kept_below_its_bound(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT", 0)
    monkeypatch.setattr(cache, "STARTED", 2000.0)
    extract(SOURCE, paths[:5])
    (block,) = SOURCE.folder().iterdir()
    os.utime(block, (1000, 1000))
    extract(Source("other", "arch", SMALL), paths[:5])
    assert not block.exists()
    assert len(list(cache_dir().rglob("*.npz"))) == 1


def test_a_cached_block_counts_as_used(paths: list[Path]) -> None:
    extract(SOURCE, paths)
    (block,) = SOURCE.folder().iterdir()
    os.utime(block, (1000, 1000))
    extract(SOURCE, paths[:1])
    assert block.stat().st_mtime > 1000


def test_a_block_without_wanted_images_is_not_read(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    extract(SOURCE, paths[:5])
    extract(SOURCE, paths[5:])
    read = []
    original = np.lib.npyio.NpzFile.__getitem__
    monkeypatch.setattr(
        np.lib.npyio.NpzFile, "__getitem__", lambda self, key: (read.append(key), original(self, key))[1]
    )
    extract(SOURCE, paths[:5])
    assert read.count("features") == 1


def test_memory_does_not_grow_with_the_number_of_images(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    side, images = 224, 2500
    monkeypatch.setattr(decoding, "load_image", lambda path, preprocess: np.zeros((side, side, 3), np.uint8))
    hashes = [f"{index:064x}" for index in range(images)]
    pixels = images * side * side * 3

    def run(batch: Pixels) -> extraction.Features:
        return np.zeros((len(batch), 8), np.float32)

    tracemalloc.start()
    extraction.extract(Source("w", "a", Preprocess()), paths[:1] * images, hashes, 8, lambda _: run, Remarks())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert pixels > 350 << 20
    assert peak < 150 << 20


def test_a_changed_augmentation_is_another_view(monkeypatch: pytest.MonkeyPatch) -> None:
    before = View("light", 0, 0).key
    monkeypatch.setattr(extraction, "recipe", {"light": Recipe(area=0.5, aspect=1.1)}.__getitem__)
    assert View("light", 0, 0).key != before
