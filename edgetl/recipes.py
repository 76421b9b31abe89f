"""Quantization recipes: the files of ``calibration/``, typed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pydantic

from edgetl.errors import ConfigError, nearest
from edgetl.files import data_dir
from edgetl.settings import parse, read_toml


class Recipe(pydantic.BaseModel):
    """How a float model is quantized.

    ``engine`` is who quantizes; the rest says how. ``samples`` is the number of calibration images. ``percentile``
    is the share of values, in percent, that the method of that name keeps. ``per_channel`` concerns weights,
    ``symmetric_activations`` puts their zero point at 0, ``reduce_range`` keeps sums of two products within 16 bits,
    for x86-64 without VNNI. ``layout`` is who shall read the Q/DQ pairs. ``equalize`` evens out the ranges of channels
    before, ``correct_bias`` takes the mean error of each output off its bias afterwards. ``only_with_operators`` says
    that it is for models with one of these. ``preset`` and ``fast_bias_correction`` are NNCF's own. ``precision`` is
    what the resulting file computes in.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    name: str = pydantic.Field(pattern=r"^\w[\w.+-]*$")
    description: str
    engine: Literal["onnxruntime", "float16", "torch", "nncf-onnx", "nncf-openvino"] = "onnxruntime"
    precision: Literal["int8", "fp16"] = "int8"
    method: Literal["minmax", "mean-minmax", "percentile", "entropy", "mean-square", "least-error"] = "minmax"
    percentile: float = pydantic.Field(default=99.99, gt=50, le=100)
    samples: int = pydantic.Field(default=128, ge=1, le=100_000)
    activations: Literal["uint8", "int8"] = "uint8"
    weights: Literal["int8", "uint8"] = "int8"
    per_channel: bool = True
    symmetric_activations: bool = False
    reduce_range: bool = False
    layout: Literal["onnxruntime", "openvino", "tensorrt"] = "onnxruntime"
    equalize: bool = False
    correct_bias: bool = False
    preset: Literal["performance", "mixed"] = "mixed"
    fast_bias_correction: bool = True
    exclude_operators: tuple[str, ...] = ()
    exclude_nodes: tuple[str, ...] = ()
    only_with_operators: tuple[str, ...] = ()


def names() -> list[str]:
    """Return the names of the packaged recipes, sorted."""
    return sorted(path.stem for path in data_dir("calibration").glob("*.toml"))


def load(name: str) -> Recipe:
    """Return the recipe of a packaged name or of a ``.toml`` path; raises ConfigError."""
    path = Path(name) if name.endswith(".toml") else data_dir("calibration") / f"{name}.toml"
    if not path.is_file():
        raise ConfigError(f"There is no recipe '{name}'.{nearest(name, names())} Known: {', '.join(names())}.")
    recipe = parse(Recipe, read_toml(path), path)
    # Its files are called after it: two recipes of one name would be taken for one.
    if recipe.name != path.stem or (path.parent != data_dir("calibration") and recipe.name in names()):
        raise ConfigError(
            f"{path} calls itself '{recipe.name}'. Call recipe and file alike, and other than the packaged ones."
        )
    return recipe
