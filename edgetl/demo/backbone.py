"""The backbone that comes with the package: which network it is and where its weights lie."""

from __future__ import annotations

from pathlib import Path

EMBEDDED_ARCH = "mobilenet_v2"
"""The torchvision name of the embedded backbone."""


def embedded_weights_path() -> Path:
    """The packaged safetensors file (fp16, without the classifier), written by `edgetl.demo.pretrain`."""
    return Path(__file__).with_name("mobilenet_v2-procedural.safetensors")
