"""Source weights of a backbone: torchvision's, a file, an earlier run's, the embedded ones, or none."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgetl import backbones, classifier, runs, state_dicts
from edgetl.artifacts import FinetuneResult
from edgetl.backbones import Backbone
from edgetl.demo.backbone import EMBEDDED_ARCH, embedded_weights_path
from edgetl.errors import RunError, WeightsError, nearest, nearest_path
from edgetl.files import sha256_file
from edgetl.progress import Progress, Silent
from edgetl.state_dicts import mismatch, shapes

if TYPE_CHECKING:
    from torch import Tensor, nn

    Tensors = dict[str, Tensor]

IMAGENET, EMBEDDED, NONE = "imagenet", "embedded", "none"
TORCHVISION = "https://download.pytorch.org/models/"
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Weights:
    """A backbone's tensors (float32, without its old head). ``sha256`` is of their file, empty for random ones."""

    name: str
    sha256: str
    tensors: Mapping[str, Tensor]

    def digest(self) -> str:
        """Return the SHA-256 of the tensors themselves: the same weights from another file have the same."""
        digest = hashlib.sha256()
        for name in sorted(self.tensors):
            array = self.tensors[name].detach().cpu().contiguous().numpy()
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()


def default(data: Path | None, arch: str) -> str:
    """Return the source when none is named: the embedded weights for the demo images, else torchvision's."""
    return EMBEDDED if data is None and arch == EMBEDDED_ARCH else IMAGENET


def identity(name: str, backbone: Backbone) -> str:
    """Return a text that changes when the weights called ``name`` do, without loading them; raises WeightsError."""
    if name == NONE:
        return NONE
    # The end of torchvision's file names is the beginning of the content's SHA-256.
    return backbone.weights if name == IMAGENET else sha256_file(_file(name, backbone))


def load(name: str, backbone: Backbone, *, seed: int, progress: Progress | None = None) -> Weights:
    """Return the weights called ``name``; ``seed`` is that of random ones. Raises WeightsError.

    The old head is dropped, whatever its size. Whether the rest fits the network is found out by `attach`.
    """
    if name == NONE:
        return Weights(name, "", _random(backbone, seed))
    path = _file(name, backbone)
    if name == IMAGENET:
        _download(path, backbone, progress or Silent())
    tensors = _of_classifier(path, backbone) if classifier.is_one(path) else state_dicts.read(path)
    return Weights(name, sha256_file(path), _backbone_only(tensors, backbone))


def attach(weights: Weights, backbone: Backbone) -> nn.Module:
    """Return the network with ``weights``, in evaluation mode; raises WeightsError naming the keys that differ."""
    network = backbones.build_empty(backbone)
    problem = mismatch(shapes(network.state_dict()), shapes(weights.tensors))
    if problem:
        guess = _architecture(weights, backbone)
        hint = f" They look like weights of {guess}: choose --arch {guess}." if guess else " Choose their --arch."
        raise WeightsError(f"The weights '{weights.name}' are not of a {backbone.name}: {problem}.{hint}")
    network.load_state_dict(dict(weights.tensors), assign=True)
    return network.eval().requires_grad_(False)


def _file(name: str, backbone: Backbone) -> Path:
    if name == IMAGENET:
        return _cached(backbone)
    if name == EMBEDDED:
        if backbone.name != EMBEDDED_ARCH:
            raise WeightsError(
                f"The embedded weights are of a {EMBEDDED_ARCH}, not a {backbone.name}. Choose --arch {EMBEDDED_ARCH}, "
                "or --weights imagenet, FILE or none."
            )
        return embedded_weights_path()
    path = Path(name).expanduser()
    for folder in (path, runs.RUNS / name):
        if (folder / FinetuneResult.FILE).is_file():
            return _run(folder, backbone)
    if path.is_file():
        return path
    hint = nearest(name, (IMAGENET, EMBEDDED, NONE, *runs.names())) or nearest_path(path)
    raise WeightsError(f"There are no weights '{name}': no such file or run, and not imagenet, embedded or none.{hint}")


def _run(folder: Path, backbone: Backbone) -> Path:
    result = runs.finetuned(folder)
    if result.arch != backbone.name:
        raise WeightsError(
            f"The run {folder} trained a {result.arch}, not a {backbone.name}: choose --arch {result.arch}."
        )
    return folder / result.classifier


def _cached(backbone: Backbone) -> Path:
    import torch.hub

    return Path(torch.hub.get_dir()) / "checkpoints" / f"{backbone.weights}.pth"


def _download(path: Path, backbone: Backbone, progress: Progress) -> None:
    """Put torchvision's file at ``path`` unless it is there; its content must have the hash that its name ends in."""
    import torch.hub

    prefix = backbone.weights.rpartition("-")[2]
    if not path.is_file():
        url = f"{TORCHVISION}{path.name}"
        progress.remark(f"Downloading {url} to {path.parent}.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix=prefix, progress=False)
        except (OSError, RuntimeError) as error:
            raise WeightsError(
                f"Cannot download {url} ({error}). Three ways remain: --weights FILE (or the folder of an earlier "
                f"run), --weights embedded ({EMBEDDED_ARCH} only, made for the demo: far less accurate on photos) or "
                f"--weights none (random). A copy of the file may also be put at {path}."
            ) from error
    if not sha256_file(path).startswith(prefix):
        raise WeightsError(f"{path} is damaged (its SHA-256 does not begin with {prefix}). Delete it, then run again.")


def _random(backbone: Backbone, seed: int) -> Tensors:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tensors: Tensors = backbones.build(backbone).state_dict()
    return tensors


def _of_classifier(path: Path, backbone: Backbone) -> Tensors:
    try:
        value, tensors = classifier.read(path)
    except RunError as error:
        raise WeightsError(str(error)) from error
    if value.arch != backbone.name:
        raise WeightsError(f"{path} is a {value.arch}, not a {backbone.name}: choose --arch {value.arch}.")
    prefix = classifier.BACKBONE
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _backbone_only(tensors: Mapping[str, Tensor], backbone: Backbone) -> Tensors:
    import torch

    kept = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
        if not name.startswith(backbone.replaced)
    }
    # Converters drop these counters, which evaluation never reads, or store them as something else.
    counters = [f"{name.removesuffix('running_var')}{COUNTER}" for name in kept if name.endswith(".running_var")]
    zeros = {name: torch.zeros((), dtype=torch.int64) for name in counters if name not in kept}
    return {**kept, **zeros}


def _architecture(weights: Weights, tried: Backbone) -> str:
    """Return the backbone that these tensors fit, or an empty string."""
    for backbone in backbones.BACKBONES.values():
        # What `load` has dropped as the tried network's head may be in the middle of another one.
        dropped = (*backbone.replaced, *tried.replaced)
        expected, given = (
            {name: shape for name, shape in shapes(tensors).items() if not name.startswith(dropped)}
            for tensors in (backbones.build_empty(backbone).state_dict(), weights.tensors)
        )
        if backbone is not tried and not mismatch(expected, given):
            return backbone.name
    return ""
