"""The command line offers exactly what there is; it cannot ask, since asking would import torch."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from edgetl.api.training import CHOICES
from edgetl.training.adapt.methods import AUTO, METHODS
from edgetl.training.augment import AUGMENTATIONS
from edgetl.training.strategies import STRATEGIES


def test_every_choice_is_in_the_table_and_the_other_way_round() -> None:
    assert tuple(STRATEGIES) == CHOICES["strategy"]
    assert tuple(AUGMENTATIONS) == CHOICES["augment"]
    assert (AUTO, *METHODS) == CHOICES["adapt_method"]
