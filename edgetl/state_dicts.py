"""State dicts from files of unknown origin: read without executing anything, and compared with what a network expects.

`torch.load` runs with ``weights_only``, which refuses every pickle that is more than tensors in plain containers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgetl.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = dict[str, Tensor]

NAMED = 5
# Where training scripts put the tensors inside a checkpoint, and what DataParallel puts before each name.
NESTED = ("state_dict", "model_state_dict", "model")
PARALLEL = "module."

Shapes = Mapping[str, tuple[int, ...]]


def read(path: Path) -> Tensors:
    """Return the tensors in a ``.safetensors`` file or one written by `torch.save`; raises WeightsError."""
    return _safetensors(path) if path.suffix == ".safetensors" else _torch(path)


def shapes(tensors: Mapping[str, Tensor]) -> Shapes:
    """Return the shape of each tensor."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def mismatch(expected: Shapes, given: Shapes) -> str:
    """Return in which names or shapes two state dicts differ, a few of each kind by name; empty if in none."""
    both = expected.keys() & given.keys()
    differences = {
        "missing": sorted(expected.keys() - given.keys()),
        "unknown": sorted(given.keys() - expected.keys()),
        "of another shape": sorted(name for name in both if expected[name] != given[name]),
    }
    return "; ".join(f"{len(names)} {kind} ({_some(names)})" for kind, names in differences.items() if names)


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")


def _safetensors(path: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: Tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} is not a whole safetensors file: {error}.") from error
    return tensors


def _torch(path: Path) -> Tensors:
    import torch

    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(
            f"{path} is not a file of weights and was not executed ({_first_sentence(error)}). Store them with "
            "torch.save(model.state_dict(), FILE) or as safetensors."
        ) from error
    if isinstance(content, Mapping):
        content = next((content[key] for key in NESTED if isinstance(content.get(key), Mapping)), content)
    if not isinstance(content, Mapping) or not content or not all(map(torch.is_tensor, content.values())):
        raise WeightsError(f"{path} does not hold a state dict. Store one with torch.save(model.state_dict(), FILE).")
    parallel = all(str(name).startswith(PARALLEL) for name in content)
    return {str(name).removeprefix(PARALLEL if parallel else ""): tensor for name, tensor in content.items()}


def _first_sentence(error: Exception) -> str:
    return re.split(r"[.\n]", str(error), maxsplit=1)[0][:160] or type(error).__name__
