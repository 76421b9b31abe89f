"""Checkpoints of a training."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from edgetl.errors import UsageError  # noqa: E402
from edgetl.training.descent import checkpoint  # noqa: E402
from edgetl.training.descent.checkpoint import Checkpoint  # noqa: E402

pytestmark = pytest.mark.training


def state(key: str = "key", epoch: int = 3) -> Checkpoint:
    weight = torch.arange(50_000.0)
    return Checkpoint(
        key=key,
        epoch=epoch,
        model={"weight": weight},
        optimizer={"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1, "name": "head"}]},
        scaler={},
        best={"weight": weight},
        best_epoch=epoch,
        best_logits=torch.ones(2, 3),
        losses=torch.zeros(4, 2, dtype=torch.float64),
        errors=torch.zeros(4, 2, dtype=torch.float64),
        seconds=1.5,
        ended="",
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    assert not checkpoint.exists(tmp_path)
    checkpoint.save(tmp_path / "deep", state())
    loaded, saved = checkpoint.load(tmp_path / "deep", "key"), state()
    for field in fields(Checkpoint):
        first, second = getattr(loaded, field.name), getattr(saved, field.name)
        if isinstance(first, torch.Tensor):
            assert torch.equal(first, second)
            assert first.dtype == second.dtype
        elif isinstance(first, dict) and "weight" in first:
            assert torch.equal(first["weight"], second["weight"])
        else:
            assert first == second
    # The best weights are those of this epoch, and stored once.
    assert (tmp_path / "deep" / checkpoint.FILE).stat().st_size < 1.5 * 4 * 50_000
    checkpoint.remove(tmp_path / "deep")
    checkpoint.remove(tmp_path / "deep")
    assert not checkpoint.exists(tmp_path / "deep")


def test_a_failed_write_leaves_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(tmp_path, state(epoch=1))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(tmp_path, state(epoch=2))
    assert checkpoint.load(tmp_path, "key").epoch == 1
    assert [path.name for path in tmp_path.glob("*.pt")] == [checkpoint.FILE]


def test_another_trainings_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no checkpoint"):
        checkpoint.load(tmp_path, "key")
    checkpoint.save(tmp_path, state())
    with pytest.raises(UsageError, match="other settings"):
        checkpoint.load(tmp_path, "another key")


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("executed",)


def test_a_checkpoint_executes_nothing(tmp_path: Path) -> None:
    torch.save({"model": Harmful()}, tmp_path / checkpoint.FILE)
    with pytest.raises(UsageError, match="damaged"):
        checkpoint.load(tmp_path, "key")
    assert not Path("executed").exists()
    (tmp_path / checkpoint.FILE).write_bytes(b"torn")
    with pytest.raises(UsageError, match="damaged"):
        checkpoint.load(tmp_path, "key")
