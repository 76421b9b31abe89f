"""Recipe files: every packaged one is valid and used, and mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgetl import recipes
from edgetl.errors import ConfigError


@pytest.mark.parametrize("name", recipes.names())
def test_every_packaged_recipe_is_valid_and_called_as_its_file(name: str) -> None:
    assert recipes.load(name).name == name


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_has_an_engine(name: str) -> None:
    make = pytest.importorskip("edgetl.quantization.make")
    assert recipes.load(name).engine in {*make.ENGINES, make.TORCH}


def test_a_misspelt_key_is_named_with_its_file_and_the_nearest_right_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\ndescription = ""\nper_chanel = true\n')
    with pytest.raises(ConfigError, match=r"mine\.toml: unknown key 'per_chanel'.*'per_channel'"):
        recipes.load(str(path))


def test_a_wrong_value_is_named_with_its_key(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\ndescription = ""\nmethod = "guess"\n')
    with pytest.raises(ConfigError, match="'method'"):
        recipes.load(str(path))


def test_tensorrt_gets_no_zero_points() -> None:
    recipe = recipes.load("s8s8-symmetric")
    assert (recipe.activations, recipe.symmetric_activations, recipe.layout) == ("int8", True, "tensorrt")


def test_an_unknown_recipe_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'u8s8-minmax'"):
        recipes.load("u8s8-minmx")
