"""Options without an effect are named, and only those."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgetl.training.hyper import Hyper
from edgetl.training.settings import FinetuneSettings
from edgetl.training.unheard import remark


def said(strategy: str, head: str = "linear", resume: bool = False, **hyper: Any) -> str:
    return remark(FinetuneSettings(Path("run"), strategy=strategy, head=head, resume=resume, hyper=Hyper(**hyper)))


@pytest.mark.parametrize(
    ("text", "idle"),
    [
        (said("probe", epochs=3, rate=0.1), "--epochs, --lr change nothing"),
        (said("probe", stages=2, batchnorm="train", resume=True), "--unfreeze, --batchnorm, --resume change nothing"),
        (said("probe", augment="strong"), "--augment changes nothing"),
        (said("full", stages=1, views=4), "--unfreeze, --views change nothing"),
        (said("scratch", stages=1), "--strategy scratch, --unfreeze changes nothing"),
    ],
)
def test_what_nobody_hears_is_named(text: str, idle: str) -> None:
    assert idle in text


@pytest.mark.parametrize(
    "text",
    [
        said("probe"),
        said("probe", views=4, augment="strong", smoothing=0.1, class_weights="balanced"),
        said("probe", head="mlp:64", epochs=3, batch=8, rate=0.1, patience=2),
        said("finetune", stages=2, epochs=3, views=2, batchnorm="train", resume=True),
        said("auto", epochs=3, views=2, augment="light", resume=True),
    ],
)
def test_what_is_heard_is_not(text: str) -> None:
    assert text == ""
