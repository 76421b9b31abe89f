"""The demo set: the same for a seed whoever draws it, splits that share nothing, a cache that is never half full."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgetl.demo import surface
from edgetl.demo.surface import CLASSES, PER_CLASS, cached_demo_set, generate, render

SMALL = {"train": 2, "val": 1, "test": 2}


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("surface")
    generate(folder, per_class=SMALL, workers=1)
    return folder


def test_classes_and_counts(small: Path) -> None:
    assert "good" in CLASSES and len(CLASSES) >= 7
    for split, count in SMALL.items():
        assert sorted(child.name for child in (small / split).iterdir()) == list(CLASSES)
        for label in CLASSES:
            names = sorted(path.name for path in (small / split / label).iterdir())
            assert names == [f"{number:04d}.jpg" for number in range(count)]
    assert sum(PER_CLASS.values()) * len(CLASSES) == 1280


def test_pictures_are_224_rgb(small: Path) -> None:
    with Image.open(small / "train" / "good" / "0000.jpg") as image:
        assert image.size == (224, 224)
        assert image.mode == "RGB"
        assert np.asarray(image).std() > 2


def test_the_number_of_workers_changes_nothing(small: Path, tmp_path: Path) -> None:
    generate(tmp_path / "two", per_class=SMALL, workers=2)
    assert digests(tmp_path / "two") == digests(small)


def test_a_picture_depends_on_its_name_alone() -> None:
    first = render(0, "source", "val", "crack", 3)
    render(0, "source", "val", "hole", 1)
    assert np.array_equal(first, render(0, "source", "val", "crack", 3))
    assert not np.array_equal(first, render(1, "source", "val", "crack", 3))


def test_no_two_pictures_are_the_same(small: Path) -> None:
    found = digests(small)
    assert len(set(found.values())) == len(found) == 5 * len(CLASSES)


def test_the_shifted_domain_is_darker_and_warmer() -> None:
    means = {
        domain: np.mean([render(0, domain, "test", label, 0).mean((0, 1)) for label in CLASSES], axis=0)
        for domain in ("source", "shifted")
    }
    assert means["shifted"].mean() < means["source"].mean() - 10
    assert means["shifted"][0] / means["shifted"][2] > means["source"][0] / means["source"][2] * 1.1


def test_an_unknown_domain_is_named() -> None:
    with pytest.raises(ValueError, match="moon"):
        generate(Path("unused"), domain="moon")


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    generate(tmp_path, per_class={"train": 1}, workers=1, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(number, len(CLASSES)) for number in range(1, len(CLASSES) + 1)]


def test_the_cache_is_filled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surface, "PER_CLASS", {"train": 1})
    first = cached_demo_set(tmp_path / "cache")
    before = digests(first)
    monkeypatch.setattr(surface, "generate", lambda *_, **__: pytest.fail("a hit must not generate"))
    assert cached_demo_set(tmp_path / "cache") == first
    assert digests(first) == before
    assert [child.name for child in (tmp_path / "cache").iterdir()] == [first.name]


def test_an_interrupted_generation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path, **_: object) -> None:
        (folder / "train").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(surface, "generate", broken)
    with pytest.raises(KeyboardInterrupt):
        cached_demo_set(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_sets_of_other_seeds_domains_and_versions_lie_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surface, "generate", lambda folder, **_: None)
    places = {
        cached_demo_set(tmp_path / "cache"),
        cached_demo_set(tmp_path / "cache", 1),
        cached_demo_set(tmp_path / "cache", 0, "shifted"),
    }
    monkeypatch.setattr(surface, "GENERATOR_VERSION", surface.GENERATOR_VERSION + 1)
    places.add(cached_demo_set(tmp_path / "cache"))
    assert len(places) == 4
