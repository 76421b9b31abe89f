"""Folds: the classes in each, and near-identical images in one."""

from __future__ import annotations

import zlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetl.training.heads import folds as module
from edgetl.training.heads.folds import FOLDS, alone, folds, independent

# Of the folds that were dealt before there were groups.
CHECKSUM = 0x18E72C5A


def test_folds_hold_every_class_evenly() -> None:
    labels = np.repeat(np.arange(4), (51, 21, 6, 6))
    dealt = folds(labels, alone(84), 0)
    for label in range(4):
        counts = Counter(dealt[labels == label].tolist())
        assert set(counts) == set(range(5))
        assert max(counts.values()) - min(counts.values()) <= 1
    assert max(Counter(dealt.tolist()).values()) - min(Counter(dealt.tolist()).values()) <= 1


def test_cross_validation_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CROSS_VALIDATED", 60)
    labels = np.arange(3000) % 3
    dealt = folds(labels, alone(3000), 0)
    assert np.sum(dealt >= 0) == 60
    assert np.array_equal(np.unique(labels[dealt >= 0]), [0, 1, 2])


def test_images_that_have_nothing_in_common_are_dealt_as_they_always_were() -> None:
    """Every probe and its cross-validated accuracy follow from the folds: they stay those of earlier releases."""
    labels = np.random.default_rng(5).integers(0, 7, 6000)
    assert zlib.crc32(folds(labels, alone(6000), 3).astype("<i8").tobytes()) == CHECKSUM
    shuffled = np.random.default_rng(6).permutation(6000)
    np.testing.assert_array_equal(folds(labels, shuffled, 3), folds(labels, alone(6000), 3))


@given(
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    groups=st.integers(1, 40),
    pure=st.booleans(),
    seed=st.integers(0, 9),
)
def test_no_group_is_torn_apart_and_no_fold_is_empty(labels: list[int], groups: int, pure: bool, seed: int) -> None:
    y = np.array(labels)
    group = np.random.default_rng(seed).integers(0, groups, len(y)) + (100 * y if pure else 0)
    dealt = folds(y, group, seed)
    assert all(len(set(dealt[group == each].tolist())) == 1 for each in np.unique(group))
    rarest = min(len(np.unique(group[y == label])) for label in np.unique(y))
    assert set(dealt.tolist()) == set(range(min(FOLDS, rarest)))
    if pure:
        for label in np.unique(y):
            assert len(set(dealt[y == label].tolist())) == dealt.max() + 1


def test_groups_of_all_sizes_fill_the_folds_alike() -> None:
    sizes = np.random.default_rng(0).integers(1, 30, 80)
    group = np.repeat(np.arange(80), sizes)
    labels = group % 2
    dealt = folds(labels, group, 0)
    for label in range(2):
        counts = np.bincount(dealt[labels == label])
        assert counts.max() - counts.min() < 10


def test_of_many_images_some_of_each_group_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CROSS_VALIDATED", 100)
    group = np.arange(2000) // 50
    dealt = folds(group % 2, group, 0)
    assert np.sum(dealt >= 0) == 100
    assert set(Counter(group[dealt >= 0].tolist()).values()) == {2, 3}
    assert len(set(group[dealt >= 0].tolist())) == 40


def test_groups_say_as_much_as_so_many_images() -> None:
    assert independent(alone(7)) == 7
    assert independent(np.arange(30) // 10) == 3
    assert 1 < independent(np.array([0] * 20 + [1])) < 1.2
