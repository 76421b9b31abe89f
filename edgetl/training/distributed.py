"""Several processes that train together, started by torchrun; one process is a world of its own.

::

    torchrun --nproc-per-node 2 -m edgetl finetune ...

Every process runs the same program. `World.share` gives each its part of the work and `World.gather` puts the parts
together again on all of them; nothing but messages is shared, so the processes may be on different machines.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgetl.device.cores import cores_allowed
from edgetl.errors import EdgetlError, UsageError
from edgetl.progress import Progress, Silent

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
Scalar = TypeVar("Scalar", bound=np.generic)

# Longer than one process may wait for the work of another. One that dies is noticed at once, by torchrun and by its
# closed connections; this is for one that hangs, or a network that swallows messages.
TIMEOUT = datetime.timedelta(minutes=30)
# Bytes of one process's part of a block in `gather`.
BLOCK = 16 * 1024**2


@dataclass(frozen=True)
class World:
    """Which of ``size`` processes this one is, and which of the ``local_size`` on this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files and talks to the user."""
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """The device that this process computes on: the GPU of its local rank, or the CPU."""
        import torch

        return torch.device("cuda", self.local_rank) if torch.cuda.is_available() else torch.device("cpu")

    def progress(self, progress: Progress) -> Progress:
        """Return ``progress`` in the process that leads, one that tells nobody in the others."""
        return progress if self.leads else Silent()

    def share(self, indices: Sequence[T]) -> Sequence[T]:
        """Return this process's part: every ``size``-th of ``indices``, beginning at its rank."""
        return indices[self.rank :: self.size]

    def gather(self, part: NDArray[Scalar], count: int) -> NDArray[Scalar]:
        """Return all ``count`` rows in order, on every process; ``part`` are those of this one's `share`.

        ``part`` has shape (rows, ...) with the same dtype and the same rest of the shape everywhere. It takes memory
        for the result and for two blocks (see BLOCK) of every process. Raises EdgetlError when a process is gone.
        """
        if self.size == 1:
            return part
        rest = part.shape[1:]
        whole = np.empty((count, *rest), part.dtype)
        most = -(-count // self.size)
        step = max(1, BLOCK // max(1, math.prod(rest) * part.itemsize))
        for start in range(0, most, step):
            rows = min(step, most - start)
            # A share may be a row shorter than another's; all send as much, and what is too much is cut off.
            block = np.zeros((rows, *rest), part.dtype)
            own = part[start : start + rows]
            block[: len(own)] = own
            for rank, received in enumerate(self._all_gather(block)):
                target = whole[start * self.size + rank : (start + rows) * self.size : self.size]
                target[:] = received[: len(target)]
        return whole

    def barrier(self) -> None:
        """Return when all processes have come here; raises EdgetlError when one is gone."""
        if self.size > 1:
            self._all_gather(np.zeros(1, np.uint8))

    def first_here(self, make: Callable[[], T]) -> T:
        """Return ``make()``, which one process of each machine calls before the others there do.

        For what is downloaded or drawn into the cache once. Raises EdgetlError when a process is gone.
        """
        early = [make()] if self.local_rank == 0 else []
        self.barrier()
        return early[0] if early else make()

    def broadcast(self, value: T) -> T:
        """Return the ``value`` that the leading process gives, on all: anything small that JSON holds.

        Raises EdgetlError when a process is gone.
        """
        if self.size == 1:
            return value
        # Not as an object of torch.distributed: that would unpickle what comes over a network.
        text = np.frombuffer(json.dumps(value if self.leads else None).encode(), np.uint8)
        lengths = self._all_gather(np.array([len(text)]))
        padded = np.zeros(max(int(length[0]) for length in lengths), np.uint8)
        padded[: len(text)] = text
        received: T = json.loads(self._all_gather(padded)[0][: int(lengths[0][0])].tobytes())
        return received

    def _all_gather(self, block: NDArray[Scalar]) -> list[NDArray[Scalar]]:
        import torch
        import torch.distributed as dist

        own = torch.from_numpy(block).to(self.device)
        received = [torch.empty_like(own) for _ in range(self.size)]
        try:
            dist.all_gather(received, own)
        except RuntimeError as error:
            raise EdgetlError(
                "Another process of this training has ended or does not answer; its own message says why."
            ) from error
        return [tensor.cpu().numpy() for tensor in received]


ALONE = World()


def told() -> World:
    """Return which process this is by torchrun's environment, `ALONE` without it; torch is not loaded.

    Raises UsageError when the environment is only half there.
    """
    variables = ("WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE", "LOCAL_RANK")
    if os.environ.get(variables[0], "1") == "1":
        return ALONE
    try:
        size, rank, local_size, local_rank = (int(os.environ[name]) for name in variables)
        os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    except (KeyError, ValueError) as error:
        raise UsageError(
            f"WORLD_SIZE is set, but torchrun's other variables are not whole ({error}). Start several processes with "
            "`torchrun --nproc-per-node N -m edgetl finetune ...`, or unset WORLD_SIZE."
        ) from None
    return World(rank, size, local_rank, local_size)


@contextlib.contextmanager
def joined() -> Iterator[World]:
    """Join the processes that torchrun started with this one, and leave them at the end; alone do nothing at all.

    GPUs are joined by NCCL, CPUs by gloo. The processes of one machine get disjoint parts of its cores. Raises
    UsageError when there is nobody to join or no GPU for each process.
    """
    world = told()
    if world.size == 1:
        yield world
        return
    with _part_of_the_cores(world):
        _join(world)
        import torch.distributed as dist

        try:
            yield world
            # Who leaves first may still be listened to.
            world.barrier()
        finally:
            dist.destroy_process_group()


def _join(world: World) -> None:
    import torch
    import torch.distributed as dist

    gpu = torch.cuda.is_available()
    if gpu and world.local_size > torch.cuda.device_count():
        gpus = torch.cuda.device_count()
        raise UsageError(
            f"torchrun started {world.local_size} processes here for {gpus} GPUs: choose --nproc-per-node {gpus}."
        )
    if gpu:
        torch.cuda.set_device(world.local_rank)
    # torchrun sets OMP_NUM_THREADS=1, whatever the machine has.
    torch.set_num_threads(cores_allowed())
    try:
        dist.init_process_group("nccl" if gpu else "gloo", timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise UsageError(
            f"Cannot join the other processes at {where} ({_first(error)}). Start all of them with torchrun."
        ) from error


@contextlib.contextmanager
def _part_of_the_cores(world: World) -> Iterator[None]:
    """Bind this process to its own cores: `cores_allowed` then gives its part to whoever asks, workers included."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    cores, each = sorted(before), max(1, cores_allowed() // world.local_size)
    first = world.local_rank * each % len(cores)
    os.sched_setaffinity(0, cores[first : first + each])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _first(error: Exception) -> str:
    return str(error).partition("\n")[0]
