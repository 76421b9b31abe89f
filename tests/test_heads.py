"""The notation of heads, and what it builds."""

from __future__ import annotations

import pytest

from edgetl import heads
from edgetl.errors import UsageError
from edgetl.heads import Head


@pytest.mark.parametrize("text", ["linear", "mlp:256", "mlp:512,128", "mlp:256:dropout=0.2", "linear:dropout=0.5"])
def test_a_head_is_written_as_it_is_read(text: str) -> None:
    assert str(heads.parse(text)) == text


@pytest.mark.parametrize("text", ["", "lineer", "mlp", "mlp:", "mlp:0", "mlp:a", "mlp:8:dropout=1.5", "linear:256"])
def test_another_notation_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="mlp:256"):
        heads.parse(text)


@pytest.mark.training
@pytest.mark.parametrize("head", [Head(), Head((8, 4), 0.5), Head((), 0.5)])
def test_a_head_maps_features_to_logits(head: Head) -> None:
    torch = pytest.importorskip("torch")
    layers = heads.build(head, 16, 3)
    assert layers(torch.zeros(2, 16)).shape == (2, 3)
    dropouts = [layer for layer in layers if isinstance(layer, torch.nn.Dropout)]
    assert bool(dropouts) == bool(head.dropout)


@pytest.mark.training
def test_the_only_layer_of_a_linear_head_has_the_name_that_the_probe_writes() -> None:
    pytest.importorskip("torch")
    assert set(heads.build(Head(), 16, 3).state_dict()) == {f"{heads.ONLY}.weight", f"{heads.ONLY}.bias"}
