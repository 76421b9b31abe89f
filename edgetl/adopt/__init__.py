"""Making a run of a classifier that edgetl did not train: quantize, bench and check work on it as on any other.

::

    source ──▶ batch, model ──▶ uint8 NHWC, normalization inside ─┐
    (what the file is)                                            ├─▶ model.onnx, data.json, export.json
    images, labels ──▶ usable images, what their labels mean ─────┘

Nothing here imports torch.
"""

from edgetl.adopt.stage import AdoptSettings, adopt

__all__ = ["AdoptSettings", "adopt"]
