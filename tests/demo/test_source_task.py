"""The source task: deterministic, labelled within bounds, and nothing of the demo set in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgetl.demo.source_cache import cached_source
from edgetl.demo.source_objects import OBJECTS, draw
from edgetl.demo.source_task import LABELS, SIZE, sample
from edgetl.demo.source_textures import TEXTURES
from edgetl.demo.surface import CLASSES


def test_a_sample_depends_on_seed_and_index_alone() -> None:
    first = sample(0, 5)
    sample(0, 6)
    again = sample(0, 5)
    assert first.labels == again.labels
    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, sample(1, 5).pixels)


def test_labels_are_in_range() -> None:
    for index in range(12):
        picture = sample(0, index)
        assert picture.pixels.shape == (SIZE, SIZE, 3)
        assert all(0 <= label < count for label, count in zip(picture.labels, LABELS.values(), strict=True))


def test_every_texture_and_kind_of_object_can_be_drawn() -> None:
    rng = np.random.default_rng(0)
    for texture in TEXTURES:
        assert np.isfinite(texture(rng, 48)).all()
    for kind, number in OBJECTS[:: len(OBJECTS) // 20]:
        mask, height = draw(rng, kind, number, 64)
        assert mask.shape == height.shape == (64, 64)
        assert 0 <= mask.min() <= mask.max() <= 1


def test_no_kind_of_object_is_a_defect() -> None:
    assert not {kind for kind, _ in OBJECTS} & set(CLASSES)


def test_the_cache_holds_the_samples(tmp_path: Path) -> None:
    pixels, labels = cached_source(tmp_path / "cache", 3, 4)
    for index in range(4):
        picture = sample(3, index)
        assert np.array_equal(pixels[index], picture.pixels)
        assert tuple(labels[index]) == picture.labels
    assert len(list((tmp_path / "cache").iterdir())) == 2
