"""Paired accuracy against published examples, exact limits, and its own promise of coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetl.measure.accuracy import (
    ClassDrop,
    drop_interval,
    images_needed,
    images_to_prove,
    images_to_tell,
    mcnemar,
    paired,
    predictions,
    tango_interval,
)
from edgetl.measure.statistics import wilson


@pytest.mark.parametrize(
    ("lost", "won", "images", "interval"),
    [
        # Fagerland, Lydersen and Laake, Statistics in Medicine 33 (2014): airway hyper-responsiveness.
        (1, 7, 21, (-0.517, -0.026)),
        # Without discordant images it is z^2 / (n + z^2) on both sides (Tango 1998, section 4).
        (0, 0, 50, (-0.0713, 0.0713)),
        (50, 0, 50, (0.857, 1.0)),
        (0, 50, 50, (-1.0, -0.857)),
    ],
)
def test_tango_interval_is_the_published_one(lost: int, won: int, images: int, interval: tuple[float, float]) -> None:
    assert tango_interval(lost, won, images) == pytest.approx(interval, abs=5e-4)


def test_tango_interval_inverts_the_published_test() -> None:
    """Tango (1998): contact lens disinfection, 0 and 1 discordant of 44, margin 0.1: Z = 1.709, one-sided p = 0.044."""
    below, above = (tango_interval(0, 1, 44, confidence=1 - 2 * p) for p in (0.0430, 0.0445))
    assert below[0] < -0.1 < above[0]


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200))
def test_tango_interval_holds_the_estimate_and_mirrors(lost: int, won: int, same: int) -> None:
    images = lost + won + same + 1
    low, high = tango_interval(lost, won, images)
    assert -1 <= low <= (lost - won) / images <= high <= 1
    assert low < high
    mirrored = tango_interval(won, lost, images)
    assert mirrored == pytest.approx((-high, -low), abs=1e-9)


# Exact: every possible outcome is weighed by its probability, so nothing here is random. The drops are those of a
# budget that is just met, most with hardly an image won: there Tango's own low end errs in up to 4.4 %.
@pytest.mark.parametrize("images", [100, 300])
@pytest.mark.parametrize(
    ("p_lost", "p_won"),
    [(0.02, 0.02), (0.04, 0.02), (0.03, 0.0), (0.1, 0.08), (0.015, 0.005), (0.02, 0.0), (0.06, 0.01)],
)
def test_the_interval_covers_the_true_drop(images: int, p_lost: float, p_won: float) -> None:
    drop, wrong_fail, wrong_pass = p_lost - p_won, 0.0, 0.0
    for lost in range(min(images, math.ceil(images * p_lost * 3 + 12))):
        for won in range(min(images - lost, math.ceil(images * p_won * 3 + 12)) if p_won else 1):
            weight = _multinomial(images, lost, won, p_lost, p_won)
            if weight < 1e-9:
                continue
            low, high = drop_interval(lost, won, images)
            wrong_fail += weight * (low > drop)
            wrong_pass += weight * (high < drop)
    # 2.5 % are promised on each side; counts are whole, so some come out a little beyond.
    assert wrong_fail <= 0.035
    assert wrong_pass <= 0.035


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200), st.sampled_from([0.8, 0.95, 0.999]))
def test_the_interval_is_never_narrower_than_tangos(lost: int, won: int, same: int, confidence: float) -> None:
    images = lost + won + same + 1
    low, high = drop_interval(lost, won, images, confidence=confidence)
    tango = tango_interval(lost, won, images, confidence=confidence)
    assert -1 <= low <= tango[0] + 1e-9 <= tango[1] + 1e-9 <= high + 2e-9
    assert drop_interval(won, lost, images, confidence=confidence) == pytest.approx((-high, -low), abs=1e-9)


def _multinomial(images: int, lost: int, won: int, p_lost: float, p_won: float) -> float:
    if won and not p_won:
        return 0.0
    same = images - lost - won
    log = math.lgamma(images + 1) - sum(math.lgamma(count + 1) for count in (lost, won, same))
    log += lost * math.log(p_lost) + (won * math.log(p_won) if won else 0.0) + same * math.log(1 - p_lost - p_won)
    return math.exp(log)


def test_impossible_counts_are_refused() -> None:
    for counts in ((3, 3, 5), (-1, 0, 5), (0, 0, 0)):
        with pytest.raises(ValueError, match="impossible"):
            tango_interval(*counts)


def test_mcnemar_is_the_exact_binomial_probability() -> None:
    assert mcnemar(1, 7) == pytest.approx(2 * 9 / 256)
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(0, 0) == 1.0


def test_paired_counts_what_changed() -> None:
    labels = [0, 0, 0, 0, 1, 1, 1, 1]
    before = [0, 0, 0, 1, 1, 1, 0, 2]
    after = [0, 0, 1, 1, 1, 1, 1, 0]
    result = paired(labels, before, after)
    assert (result.images, result.baseline, result.candidate) == (8, 5 / 8, 5 / 8)
    assert (result.lost, result.won, result.drop) == (1, 1, 0.0)
    # Image 7 is wrong before and after, and still a flip: equal accuracy hides it.
    assert result.flips == (2, 6, 7)
    assert result.agreement == 5 / 8
    worst = result.classes[0]
    assert worst == ClassDrop(label=0, images=4, baseline=worst.baseline, lost=worst.lost, won=worst.won)
    assert worst.drop == 0.25
    assert [each.drop for each in result.classes] == sorted((each.drop for each in result.classes), reverse=True)
    assert result.drop_ci == drop_interval(1, 1, 8)
    assert result.mcnemar_p == 1.0


def test_a_model_against_itself_drops_nothing() -> None:
    result = paired([0, 1, 2], [0, 1, 1], [0, 1, 1])
    assert (result.drop, result.agreement, result.flips, result.mcnemar_p) == (0.0, 1.0, (), 1.0)


@pytest.mark.parametrize(("labels", "before", "after"), [([], [], []), ([0, 1], [0], [0, 1]), ([0], [0], [0, 1])])
def test_unpaired_images_are_refused(labels: list[int], before: list[int], after: list[int]) -> None:
    with pytest.raises(ValueError, match="one length"):
        paired(labels, before, after)


def test_predictions_are_the_largest_logits() -> None:
    assert predictions(np.array([[0.1, 0.9], [2.0, -1.0]], np.float32)).tolist() == [1, 0]


@pytest.mark.parametrize(("lost", "won", "images", "limit"), [(2, 1, 100, 0.03), (8, 1, 100, 0.02), (0, 0, 40, 0.02)])
def test_images_needed_settle_it_and_fewer_do_not(lost: int, won: int, images: int, limit: float) -> None:
    needed = images_needed(lost, won, images, limit)
    assert needed is not None and needed > images
    assert _settled(lost, won, images, needed, limit)
    assert not _settled(lost, won, images, (images + needed) // 2, limit)


def _settled(lost: int, won: int, images: int, total: int, limit: float) -> bool:
    low, high = drop_interval(round(lost * total / images), round(won * total / images), total)
    return high <= limit or low > limit


def test_no_number_of_images_settles_a_drop_that_is_the_limit() -> None:
    assert images_needed(4, 2, 100, 0.02) is None


@pytest.mark.parametrize(("lost", "won"), [(1, 5), (5, 1), (3, 3), (6, 0), (0, 6)])
def test_images_needed_can_be_told_where_every_image_is_discordant(lost: int, won: int) -> None:
    """More images at these rates are whole ones, and never more in all than there are."""
    for limit in (0.0, 0.01, 0.05, 0.5):
        assert images_needed(lost, won, 6, limit) is None or images_needed(lost, won, 6, limit) >= 6
        assert images_to_prove(lost, won, 6, limit) is None or images_to_prove(lost, won, 6, limit) >= 6


def test_how_many_images_tell_a_top_1_from_the_least_allowed() -> None:
    needed = images_to_tell(0.95, 100, 0.92)
    assert needed is not None
    assert wilson(round(0.95 * needed), needed)[0] >= 0.92 > wilson(round(0.95 * (needed // 2)), needed // 2)[0]
    assert images_to_tell(1.0, 1000, 0.999) > 3000
    assert images_to_tell(0.9, 100, 0.9) is None


def test_no_more_images_are_needed_for_what_is_settled() -> None:
    assert images_needed(0, 0, 1000, 0.02) == 1000
