"""The state of a training after an epoch, in one file that is replaced atomically.

It is read with ``weights_only``, which executes nothing. There is no state of a random generator in it, nor of a
schedule: both are computed from the seed and the epoch (see `schedule`).
"""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgetl.errors import UsageError
from edgetl.files import write_bytes
from edgetl.training.distributed import ALONE, World

FILE = "checkpoint.pt"

State = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """A training after ``epoch``; ``key`` is the hash of all that decides its result.

    ``model`` and ``best`` are state dicts; ``best_logits`` (images, classes) are of the stopping images, ``losses``
    and ``errors`` (epochs + 1, images) what `Outcome` calls so. ``seconds`` is what the training took so far;
    ``ended`` says why it is over, and is empty while it is not.
    """

    key: str
    epoch: int
    model: State
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    best: State
    best_epoch: int
    best_logits: Tensor
    losses: Tensor
    errors: Tensor
    seconds: float
    ended: str


def exists(folder: Path, world: World = ALONE) -> bool:
    """Return whether a training can be continued in the leading process's ``folder``."""
    return world.broadcast((folder / FILE).is_file())


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` into ``folder``, in the place of the last one."""
    buffer = io.BytesIO()
    # Not `asdict`, which copies tensors; shared ones are stored once.
    torch.save({field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}, buffer)
    write_bytes(folder / FILE, buffer.getvalue())


def load(folder: Path, key: str, world: World = ALONE) -> Checkpoint:
    """Return the checkpoint in the leading process's ``folder``, the only one that has any, in all processes.

    Raises UsageError if there is none or it is not of the training ``key``.
    """
    path = folder / FILE
    if not exists(folder, world):
        raise UsageError(f"There is no checkpoint in {folder} to resume from. Start again without --resume.")
    stored = _received(path.read_bytes() if world.leads else b"", world)
    try:
        checkpoint = Checkpoint(**torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True))
    except Exception as error:
        raise UsageError(f"{path} is damaged or of another edgetl. Start again without --resume.") from error
    if checkpoint.key != key:
        raise UsageError(
            f"{path} is of a training with other settings, data or weights. Give those again, or start anew without "
            "--resume."
        )
    return checkpoint


def remove(folder: Path) -> None:
    """Delete the checkpoint in ``folder``, if there is one."""
    (folder / FILE).unlink(missing_ok=True)


def _received(data: bytes, world: World) -> bytes:
    """Return the leading process's ``data`` in all processes."""
    if world.size == 1:
        return data
    size = world.broadcast(len(data))
    tensor = torch.frombuffer(bytearray(data or size), dtype=torch.uint8).to(world.device)
    torch.distributed.broadcast(tensor, 0)
    return tensor.cpu().numpy().tobytes()
