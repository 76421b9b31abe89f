"""Who quantizes: one file each, imported only when a recipe asks for it."""

from __future__ import annotations

from collections.abc import Mapping

# Module and function of each engine that a recipe can name; each brings its libraries. A new engine is a file and a
# line here.
ENGINES: Mapping[str, tuple[str, str]] = {
    "onnxruntime": ("edgetl.quantization.engines.static", "quantize"),
    "float16": ("edgetl.quantization.engines.float16", "convert"),
    "nncf-onnx": ("edgetl.quantization.engines.nncf_onnx", "quantize"),
    "nncf-openvino": ("edgetl.quantization.engines.nncf_openvino", "quantize"),
}

# How the files end of those that do not write ONNX.
SUFFIXES: Mapping[str, str] = {"nncf-openvino": ".zip"}
