"""The bound of the cache: what was not used for longest goes first, and nothing that this run uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgetl.files import cache_dir
from edgetl.training.features import cache


@pytest.fixture
def files() -> dict[str, Path]:
    """Four files of 1,000 bytes, last used 1,000 to 4,000 seconds after the epoch."""
    places = {"first": "features/a/1.npz", "second": "backbones/b.onnx", "third": "features/b/1.npz", "other": "demo/x"}
    for age, (name, place) in enumerate(places.items(), 1):
        path = cache_dir() / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1000))
        os.utime(path, (1000 * age, 1000 * age))
        places[name] = place
    return {name: cache_dir() / place for name, place in places.items()}


def left(files: dict[str, Path]) -> set[str]:
    return {name for name, path in files.items() if path.exists()}


def test_below_the_bound_nothing_is_removed(files: dict[str, Path]) -> None:
    cache.trim(3000, cache.STARTED)
    assert left(files) == set(files)


def test_the_longest_unused_go_first_and_only_as_many_as_need_be(files: dict[str, Path]) -> None:
    cache.trim(2999, cache.STARTED)
    assert left(files) == {"second", "third", "other"}
    cache.trim(1000, cache.STARTED)
    assert left(files) == {"third", "other"}


def test_a_file_that_was_used_again_stays(files: dict[str, Path]) -> None:
    cache.used(files["first"])
    cache.trim(2000, cache.STARTED)
    assert left(files) == {"first", "third", "other"}


def test_what_this_run_used_is_never_removed(files: dict[str, Path]) -> None:
    cache.used(files["first"])
    cache.trim(0, cache.STARTED)
    assert left(files) == {"first", "other"}


def test_a_file_that_is_gone_is_no_error(files: dict[str, Path]) -> None:
    files["first"].unlink()
    cache.used(files["first"])
    cache.trim(0, cache.STARTED)
