"""torchvision's networks, imported without torch's compiler.

torchvision asks the compiler a question when regions are pooled, which no classifier does, and imports it for that when
it is imported itself: that is half the time that PyTorch takes to start. Here the question imports it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_COMPILER, _ASKED, _QUESTION = "torch._dynamo", "torch._dynamo.utils", "is_compile_supported"


@contextlib.contextmanager
def _compiler_later() -> Iterator[None]:
    """Let modules imported inside the block find the compiler's question where they expect it, and nothing else."""
    if _COMPILER in sys.modules or "torchvision" in sys.modules:
        yield
        return

    def ask(device_type: str) -> bool:
        from torch._dynamo.utils import is_compile_supported

        return bool(is_compile_supported(device_type))

    package, asked = ModuleType(_COMPILER), ModuleType(_ASKED)
    setattr(asked, _QUESTION, ask)
    standing_in = {_COMPILER: package, _ASKED: asked}
    sys.modules.update(standing_in)
    try:
        yield
    finally:
        for each, module in standing_in.items():
            if sys.modules.get(each) is module:
                del sys.modules[each]


class not_random(TorchFunctionMode):  # noqa: N801 - used as a function
    """Leave tensors as they are where they would be filled with random numbers.

    Of a tensor without memory that does nothing anyway, but imports a symbolic algebra system: two seconds.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call ``func`` unless it draws random numbers."""
        given = kwargs or {}
        if func in _RANDOM:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


_FILLING = ("normal_", "uniform_", "trunc_normal_", "kaiming_normal_", "kaiming_uniform_", "xavier_uniform_")
_RANDOM = (Tensor.normal_, Tensor.uniform_, *(getattr(nn.init, name) for name in _FILLING))

try:
    with _compiler_later():
        from torchvision.models import get_model
except ImportError:
    # Another release may ask for more of it.
    from torchvision.models import get_model


def build(name: str, **options: Any) -> nn.Module:
    """Return torchvision's network of that name with random weights."""
    network: nn.Module = get_model(name, weights=None, **options)
    return network
