"""The cache of features: what is computed once is never computed again, and never taken for something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgetl.device.values import Preprocess
from edgetl.files import sha256_file
from edgetl.pixels import Pixels
from edgetl.training import features
from edgetl.training.features import Source
from tests.photos import Remarks, photo

SMALL = Preprocess(resize=40, crop=32)
SOURCE = Source("weights", "arch", SMALL)


class Backbone:
    """A backbone whose features are the mean colour, and which counts the images that it saw."""

    def __init__(self) -> None:
        self.seen = 0

    def make(self, sample: Pixels) -> features.Forward:
        assert sample.dtype == np.uint8
        assert sample.shape[1:] == (32, 32, 3)
        return self.run

    def run(self, pixels: Pixels) -> features.Features:
        self.seen += len(pixels)
        return pixels.mean((1, 2), dtype=np.float32)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [photo(tmp_path / f"{index}.png", (20 * index, 90, 90), seed=index) for index in range(10)]


def extract(source: Source, paths: list[Path]) -> tuple[features.Features, int]:
    backbone = Backbone()
    hashes = [sha256_file(path) for path in paths]
    return features.extract(source, paths, hashes, 3, backbone.make, Remarks()), backbone.seen


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
    (block,) = SOURCE.folder.iterdir()
    for damage in (block.read_bytes()[:200], b"junk", b""):
        block.write_bytes(damage)
        again, seen = extract(SOURCE, paths)
        assert seen == 10
        assert np.array_equal(again, first)


def test_what_was_done_before_an_interruption_is_kept(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "BATCH", 2)
    monkeypatch.setattr(features, "BLOCK", 4)

    class Interrupted(Backbone):
        def run(self, pixels: Pixels) -> features.Features:
            if self.seen >= 8:
                raise KeyboardInterrupt
            return super().run(pixels)

    with pytest.raises(KeyboardInterrupt):
        features.extract(SOURCE, paths, [sha256_file(path) for path in paths], 3, Interrupted().make, Remarks())
    assert extract(SOURCE, paths)[1] == 2


def test_copies_of_an_image_all_get_their_features(paths: list[Path]) -> None:
    extract(SOURCE, paths[:1])
    both, seen = extract(SOURCE, [paths[0], paths[1], paths[0]])
    assert seen == 1
    assert np.array_equal(both[0], both[2])
    assert not np.array_equal(both[0], both[1])
