"""Quantization: candidates are made by recipes, tried against fp32, and the fastest that keeps its accuracy is chosen.

::

    target ─▶ candidates ─ make (recipe, calibration images) ─▶ model files
           ─ contest (workers: accuracy on selection images, then speed in turns) ─▶ Trials ─ choose ─▶ QuantizeResult
"""

from edgetl.quantization.stage import QuantizeSettings, quantize

__all__ = ["QuantizeSettings", "quantize"]
