"""The notation of heads, and what it builds."""

from __future__ import annotations

import pytest

from edgetl import heads
from edgetl.errors import UsageError
from edgetl.heads import Head, Layer

WRITTEN = [
    "linear",
    "mlp:256",
    "mlp:512,128",
    "mlp:256:dropout=0.2",
    "linear:dropout=0.5",
    "norm+linear",
    "norm+project:128+linear",
    "dropout:0.2+norm+project:64+norm+mlp:512,128:dropout=0.25",
    "mlp:8:dropout=0.00001",
]


@pytest.mark.parametrize("text", WRITTEN)
def test_a_head_is_written_as_it_is_read(text: str) -> None:
    assert str(heads.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("mlp:0256:dropout=.20", "mlp:256:dropout=0.2"),
        ("linear:dropout=0", "linear"),
        ("dropout:.50+project:016+linear:dropout=0.0", "dropout:0.5+project:16+linear"),
        ("dropout:0+linear", "dropout:0+linear"),
    ],
)
def test_one_spelling_is_kept(text: str, canonical: str) -> None:
    head = heads.parse(text)
    assert str(head) == canonical
    assert heads.parse(canonical) == head


@pytest.mark.parametrize(
    "text",
    [
        *["", "lineer", "mlp", "mlp:", "mlp:0", "mlp:a", "mlp:8:dropout=1.5", "mlp:8:dropout=1", "linear:256"],
        *["mlp:8:dropout=1.2.3", "mlp:99999999", "linear+", "+linear", "norm", "norm+project:8", "linear+linear"],
    ],
)
def test_another_notation_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"mlp:256.*norm, project:128, dropout:0\.2"):
        heads.parse(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nrom+linear", "'nrom' is no layer before the last. Did you mean 'norm'"),
        ("norm:3+linear", "'norm:3' is written norm."),
        ("project+linear", "'project' is written project:128."),
        ("project:0+linear", "'0' is no size from 1 to 65536."),
        ("project:8.5+linear", "'8.5' is no size"),
        ("dropout:1+linear", "'1' is no share from 0 to below 1."),
        ("dropout:nan+linear", "'nan' is no share"),
        ("norm+lineer", "it ends with 'lineer' and not with linear or, for example, mlp:256."),
    ],
)
def test_what_is_wrong_is_said(text: str, reason: str) -> None:
    with pytest.raises(UsageError) as raised:
        heads.parse(text)
    assert reason in str(raised.value)


@pytest.mark.training
@pytest.mark.parametrize("head", [Head(), Head((8, 4), 0.5), Head((), 0.5), Head((8,), 0, (Layer("project", 4),))])
def test_a_head_maps_features_to_logits(head: Head) -> None:
    torch = pytest.importorskip("torch")
    layers = heads.build(head, 16, 3)
    assert layers(torch.zeros(2, 16)).shape == (2, 3)
    dropouts = [layer for layer in layers if isinstance(layer, torch.nn.Dropout)]
    assert bool(dropouts) == bool(head.dropout)


@pytest.mark.training
def test_layers_before_the_last_come_in_their_order() -> None:
    pytest.importorskip("torch")
    layers = heads.build(heads.parse("norm+project:5+dropout:0.1+mlp:4"), 16, 3)
    expected = ["BatchNorm1d(16", "Linear(in_features=16, out_features=5", "Dropout(p=0.1"]
    expected += ["Linear(in_features=5, out_features=4", "ReLU(", "Linear(in_features=4, out_features=3"]
    assert [str(layer)[: len(start)] for layer, start in zip(layers, expected, strict=True)] == expected


@pytest.mark.training
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("linear", {"0"}),
        ("linear:dropout=0.5", {"1"}),
        ("mlp:8", {"0", "2"}),
        ("mlp:8,4:dropout=0.5", {"0", "3", "6"}),
    ],
)
def test_tensors_have_the_names_that_they_have_in_existing_classifier_files(text: str, names: set[str]) -> None:
    pytest.importorskip("torch")
    found = set(heads.build(heads.parse(text), 16, 3).state_dict())
    assert found == {f"{name}.{part}" for name in names for part in ("weight", "bias")}
