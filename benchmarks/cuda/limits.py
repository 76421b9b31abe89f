"""What the machine could do at best: measured peaks, and the time that a network needs at those."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.cuda.scale import Scale

BYTES = {"fp32": 4, "TF32": 4, "fp16": 2, "int8": 1}


@dataclass(frozen=True)
class Layer:
    """A convolution or a matrix product: its arithmetic and what it reads and writes for one image, and its weights."""

    macs: int
    values: int
    weights: int


def exact(tf32: bool) -> None:
    """Let torch round float32 to TF32 in convolutions and products, or not."""
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32


def peaks(scale: Scale) -> dict[str, float]:
    """Return ``bytes_per_s`` of a copy (read and written), and operations a second of a product by precision."""
    found = {"bytes_per_s": 2 * scale.copied / _best(_copy(scale), scale)}
    for name, dtype in {"fp32": torch.float32, "TF32": torch.float32, "fp16": torch.float16}.items():
        exact(name == "TF32")
        left = torch.randn(scale.side, scale.side, device=scale.device).to(dtype)
        found[name] = 2 * scale.side**3 / _best(_product(left), scale)
    try:
        whole = torch.ones(scale.side, scale.side, dtype=torch.int8, device=scale.device)
        found["int8"] = 2 * scale.side**3 / _best(lambda: torch._int_mm(whole, whole.t()), scale)
    except (RuntimeError, AttributeError, NotImplementedError):
        # No product of integers here: what they are compared with is then half precision's.
        found["int8"] = found["fp16"]
    exact(False)
    return found


def layers(network: nn.Module, side: int) -> tuple[Layer, ...]:
    """Return the layers that multiply and accumulate, as one image passes them."""
    found: list[Layer] = []

    def see(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weights = module.weight.numel()
        positions = output[0, 0].numel() if isinstance(module, nn.Conv2d) else 1
        found.append(Layer(weights * positions, inputs[0][0].numel() + output[0].numel(), weights))

    hooks = [each.register_forward_hook(see) for each in network.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        network(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return tuple(found)


def ideal_s(network: Sequence[Layer], batch: int, precision: str, found: Mapping[str, float]) -> float:
    """Return the seconds that no engine is below that runs layer by layer: of each the arithmetic or the traffic.

    All else is taken to cost nothing, as if it were fused.
    """
    size = BYTES[precision]
    return sum(
        max(
            2 * each.macs * batch / found[precision],
            size * (each.values * batch + each.weights) / found["bytes_per_s"],
        )
        for each in network
    )


def _copy(scale: Scale) -> Callable[[], object]:
    source = torch.empty(scale.copied, dtype=torch.uint8, device=scale.device)
    target = torch.empty_like(source)
    return lambda: target.copy_(source)


def _product(left: Tensor) -> Callable[[], object]:
    return lambda: left @ left


def _best(run: Callable[[], object], scale: Scale) -> float:
    """Return the seconds of the fastest of some runs."""
    run()
    times = []
    end = time.monotonic() + scale.seconds
    while len(times) < 5 or time.monotonic() < end:
        synchronize(scale.device)
        start = time.perf_counter()
        run()
        synchronize(scale.device)
        times.append(time.perf_counter() - start)
    return min(times)


def synchronize(device: str) -> None:
    """Wait for what the device was given to do."""
    if device == "cuda":
        torch.cuda.synchronize()
