"""The smallest number that will do, found by bisection."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from edgetl.quantization.search.fewest import fewest


@given(st.integers(1, 200), st.integers(1, 200))
def test_it_is_the_smallest_and_takes_few_trials(most: int, threshold: int) -> None:
    tried: list[int] = []

    def holds(count: int) -> bool:
        tried.append(count)
        return count >= threshold

    assert fewest(most, holds) == (threshold if threshold <= most else None)
    assert len(tried) <= 2 + math.log2(most)


def test_a_search_that_is_cut_short_keeps_the_smallest_that_held() -> None:
    answers = iter([True, True, None])
    assert fewest(16, lambda _: next(answers)) == 8
    assert fewest(16, lambda _: None) is None
