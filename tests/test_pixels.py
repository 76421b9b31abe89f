"""Decoding in parallel."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edgetl import pixels
from edgetl.device.preprocess import load_image
from edgetl.device.values import Preprocess
from edgetl.errors import DataError
from tests.photos import Remarks, photo

SMALL = Preprocess(resize=40, crop=32)


def test_batches_hold_every_image_in_order(tmp_path: Path) -> None:
    paths = [photo(tmp_path / f"{index}.png", seed=index) for index in range(11)]
    progress = Remarks()
    batches = list(pixels.iter_pixels(paths, SMALL, batch=4, workers=3, progress=progress))
    assert [indices for indices, _ in batches] == [range(4), range(4, 8), range(8, 11)]
    assert np.array_equal(np.concatenate([batch for _, batch in batches]), [load_image(path, SMALL) for path in paths])
    assert progress.steps[-1][1:] == (11, 11)


def test_no_more_is_decoded_ahead_than_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded, lock = 0, threading.Lock()

    def count(path: Path, preprocess: Preprocess) -> pixels.Pixels:
        nonlocal decoded
        with lock:
            decoded += 1
        return np.zeros((preprocess.crop, preprocess.crop, 3), np.uint8)

    monkeypatch.setattr(pixels, "load_image", count)
    ahead = []
    for indices, _ in pixels.iter_pixels([tmp_path] * 500, SMALL, batch=5, workers=2):
        ahead.append(decoded - indices.stop)
    assert max(ahead) <= 2 * 5 + 2


def test_as_much_is_decoded_ahead_as_asked_for(tmp_path: Path) -> None:
    path = photo(tmp_path / "one.png")
    changed: list[int] = []

    def change(index: int, image: pixels.Pixels) -> pixels.Pixels:
        changed.append(index)
        return image

    batches = pixels.iter_pixels([path] * 60, SMALL, batch=4, workers=2, ahead=20, change=change)
    next(batches)
    deadline = time.monotonic() + 60
    while len(changed) < 24 and time.monotonic() < deadline:
        time.sleep(0.01)
    batches.close()
    assert sorted(changed) == list(range(24))


def test_an_image_may_be_changed_by_who_decodes_it(tmp_path: Path) -> None:
    paths = [photo(tmp_path / f"{index}.png", seed=index) for index in range(5)]
    batches = pixels.iter_pixels(paths, SMALL, batch=2, change=lambda index, image: image[:8, :8] // 2 + index)
    expected = [load_image(path, SMALL)[:8, :8] // 2 + index for index, path in enumerate(paths)]
    assert np.array_equal(np.concatenate([batch for _, batch in batches]), expected)


def test_an_image_that_went_bad_is_named(tmp_path: Path) -> None:
    paths = [photo(tmp_path / "good.png"), tmp_path / "bad.png"]
    paths[1].write_text("no image")
    with pytest.raises(DataError, match=r"bad\.png cannot be used"):
        list(pixels.iter_pixels(paths, SMALL))
