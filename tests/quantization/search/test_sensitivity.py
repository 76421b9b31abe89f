"""Ranking the parts of a network by what they lose."""

from __future__ import annotations

import pytest

pytest.importorskip("onnxruntime")

from edgetl.quantization.search.sensitivity import spread


def test_any_beginning_of_the_order_covers_the_whole_network() -> None:
    parts = [(f"conv_{place}",) for place in range(40)]
    order = [parts.index(part) for part in spread(parts)]
    assert sorted(order) == list(range(40))
    for reached in (5, 10, 20):
        places = sorted(order[:reached])
        gaps = [after - before for before, after in zip([0, *places], [*places, 40], strict=True)]
        assert max(gaps) <= 2 * 40 / reached
