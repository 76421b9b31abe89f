"""What augmentation does to a picture whose red and green say where each pixel came from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgetl.device.preprocess import load_image
from edgetl.device.values import Preprocess
from edgetl.errors import UsageError
from edgetl.pixels import Pixels
from edgetl.training import augment as augmentation
from edgetl.training.augment import AUGMENTATIONS, augment
from tests.photos import photo

SIDE, SIZE = 256, 224
SEEDS = range(200)


def varied(pixels: Pixels, name: str, seed: int, size: int = SIZE) -> Pixels:
    return augment(pixels, name, size, np.random.SeedSequence([7, seed]))


def places() -> Pixels:
    """Red grows to the right and green downwards, a grey level for each pixel."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.stack([columns, rows, np.full_like(rows, 128)], -1).astype(np.uint8)


def spans(pixels: Pixels) -> tuple[float, float]:
    """Return which shares of the width and height of `places` are to be seen, negative when mirrored."""
    across = float(pixels[:, -1, 0].mean()) - float(pixels[:, 0, 0].mean())
    down = float(pixels[-1, :, 1].mean()) - float(pixels[0, :, 1].mean())
    return across / SIDE, down / SIDE


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_picture_of_the_networks_size_comes_out_the_same_for_the_same_seed(name: str) -> None:
    source = places()
    result = varied(source, name, 0)
    assert result.shape == (SIZE, SIZE, 3)
    assert result.dtype == np.uint8
    assert np.array_equal(result, varied(source, name, 0))
    assert np.array_equal(result, varied(source, name, 1)) == (name == "none")
    assert np.array_equal(source, places())


@pytest.mark.parametrize(("resize", "crop"), [(256, 224), (64, 64), (342, 298)])
def test_none_takes_the_centre_as_the_runner_does(tmp_path: Path, resize: int, crop: int) -> None:
    path, preprocess = photo(tmp_path / "a.png", side=80), Preprocess(resize=resize, crop=crop)
    square = load_image(path, replace(preprocess, crop=resize))
    assert np.array_equal(varied(square, "none", 0, crop), load_image(path, preprocess))


@pytest.mark.parametrize(("name", "least"), [("light", 0.7), ("standard", 0.35), ("strong", 0.2)])
def test_crops_are_of_many_sizes_but_never_smaller_than_said(
    name: str, least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = AUGMENTATIONS[name]
    assert chosen is not None
    # Its crops alone: colours would hide the places.
    monkeypatch.setattr(augmentation, "AUGMENTATIONS", {name: replace(chosen, colour=0.0, hidden=0.0)})
    seen = np.array([spans(varied(places(), name, seed)) for seed in SEEDS])
    areas, ratios = np.abs(seen).prod(1), np.abs(seen[:, 0] / seen[:, 1])
    assert areas.min() > 0.95 * least
    assert areas.min() < 1.2 * least
    assert areas.max() > 0.9
    assert ratios.max() < 1.05 * chosen.aspect
    assert ratios.min() > 0.95 / chosen.aspect
    assert ratios.max() > 1.05 > 0.95 > ratios.min()
    # Half are mirrored, none is upside down.
    assert 0.35 < (seen[:, 0] < 0).mean() < 0.65
    assert (seen[:, 1] > 0).all()


def test_crops_come_from_all_over_the_picture() -> None:
    corners = np.array([varied(places(), "light", seed)[:, :, :2].min((0, 1)) for seed in SEEDS])
    assert corners.min() < 5
    assert (corners.max(0) > 25).all()


def test_light_keeps_the_colours_and_standard_changes_light_and_hue() -> None:
    source = np.full((SIDE, SIDE, 3), (150, 100, 50), np.uint8)
    assert (varied(source, "light", 3) == (150, 100, 50)).all()
    colours = np.array([varied(source, "standard", seed)[0, 0] for seed in SEEDS], float)
    light = colours @ augmentation.GREY
    expected = float(np.array([150, 100, 50]) @ augmentation.GREY)
    assert light.min() < 0.75 * expected
    assert light.max() > 1.25 * expected
    assert light.mean() == pytest.approx(expected, rel=0.05)
    # The colour stays a brown: it is what many classes are told by.
    assert (np.diff(colours) < 0).mean() > 0.95


def test_contrast_turns_about_the_pictures_own_mean() -> None:
    source = np.full((SIDE, SIDE, 3), 40, np.uint8)
    source[:, ::2] = 80
    results = [varied(source, "standard", seed) for seed in SEEDS]
    spread = np.array([each.std() / each.mean() for each in results])
    assert spread.max() > 1.3 * spread.min()


def test_a_turn_of_the_hue_keeps_the_light() -> None:
    colour = np.array([0.6, 0.3, 0.2])
    turned = augmentation._chroma(1.0, 0.25) @ colour
    assert turned @ augmentation.GREY == pytest.approx(colour @ augmentation.GREY, abs=1e-3)
    assert np.abs(turned - colour).max() > 0.1
    grey = augmentation._chroma(0.0, 0.0) @ colour
    np.testing.assert_allclose(grey, colour @ augmentation.GREY, atol=1e-3)


def test_strong_makes_some_grey_and_hides_a_rectangle_in_half() -> None:
    coloured = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    results = [varied(coloured, "strong", seed) for seed in SEEDS]
    grey = [np.ptp(each.astype(int), axis=2).max() <= 1 for each in results]
    assert 0.03 < np.mean(grey) < 0.2
    # In noise, three equal pixels in a row are a hidden place.
    same = [(np.abs(np.diff(each.astype(int), axis=1)).max(2) == 0).mean() for each in results]
    assert 0.4 < (np.array(same) > 0.01).mean() < 0.6
    assert max(same) < 0.27


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="Did you mean 'strong'"):
        varied(places(), "strng", 0)
