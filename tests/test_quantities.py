"""Quantities as people write them."""

from __future__ import annotations

import pytest

from edgetl.errors import UsageError
from edgetl.quantities import fraction, seconds


@pytest.mark.parametrize(("text", "value"), [("90", 90), ("90s", 90), ("1.5m", 90), (" 2 h ", 7200), (None, 7)])
def test_durations(text: str | None, value: float) -> None:
    assert seconds(text, default=7) == value


@pytest.mark.parametrize(("text", "value"), [("0.5%", 0.005), ("0.02", 0.02), ("0", 0.0), (None, None)])
def test_fractions(text: str | None, value: float | None) -> None:
    assert fraction(text) == value


@pytest.mark.parametrize("text", ["", "soon", "-5s", "0s", "5d"])
def test_bad_durations_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a duration"):
        seconds(text, default=1)


@pytest.mark.parametrize("text", ["", "2", "150%", "-1%", "lots"])
def test_bad_fractions_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a share"):
        fraction(text)
