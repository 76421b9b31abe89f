"""How much is measured: on a GPU, or in a test on a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgetl.device.providers import cuda

Options = Mapping[str, str]


@dataclass(frozen=True)
class Scale:
    """What runs where. ``device`` is torch's; ``settings`` are tried on float files, in this order.

    ``batches`` are beside 1, the most telling first; ``seconds`` is how long each is timed, ``copied`` bytes and a
    product of matrices of ``side`` times ``side`` tell what the machine can do; ``compiler`` is torch.compile's backend
    and mode. Training is timed on ``trained``, in ``train_steps`` batches of ``train_batch``.
    """

    provider: str
    device: str
    models: tuple[str, ...]
    pixels: int
    classes: int
    batches: tuple[int, ...]
    streams: tuple[int, ...]
    seconds: float
    copied: int
    side: int
    settings: Mapping[str, Options]
    compiler: tuple[str, str | None]
    trained: str
    train_batch: int
    train_steps: int


GPU = Scale(
    provider="cuda",
    device="cuda",
    models=("mobilenet_v2", "resnet50", "mobilenet_v3_large", "vgg16"),
    pixels=224,
    classes=1000,
    batches=(64, 256, 16, 4),
    streams=(2, 4),
    seconds=0.3,
    copied=2**31,
    side=8192,
    # The way of the buffers is a matter of its own.
    settings={name: options for name, options in cuda.SETTINGS.items() if set(options) != {"binding"}},
    compiler=("inductor", "reduce-overhead"),
    trained="resnet50",
    train_batch=64,
    train_steps=30,
)
SMOKE = Scale(
    provider="cpu",
    device="cpu",
    models=("resnet18",),
    pixels=32,
    classes=10,
    batches=(2,),
    streams=(2,),
    seconds=0.01,
    copied=2**20,
    side=64,
    settings={"no spinning": {"session.intra_op.allow_spinning": "0"}},
    compiler=("eager", None),
    trained="resnet18",
    train_batch=2,
    train_steps=2,
)
