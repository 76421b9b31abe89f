"""Target files: every packaged one is valid, mistakes are named, and a machine finds its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgetl import recipes, targets
from edgetl.errors import ConfigError

ORIN = {"architecture": "aarch64", "cpu_features": ["asimddp"], "cpu": "ARMv8 Processor rev 1 (v8l)"}
ORIN |= {"board": "NVIDIA Jetson Orin Nano Developer Kit", "nvidia_driver": "L4T 36.4.3"}
PI5 = {"architecture": "aarch64", "cpu_features": ["asimddp"], "cpu": "Raspberry Pi 5 Model B Rev 1.0"}
PI4 = {"architecture": "aarch64", "cpu_features": [], "cpu": "Raspberry Pi 4 Model B Rev 1.4"}
N100 = {"architecture": "x86_64", "cpu_features": ["avx2", "avx_vnni"], "cpu": "Intel(R) N100"}
OLD_PC = {"architecture": "x86_64", "cpu_features": ["avx2"], "cpu": "Intel(R) Core(TM) i7-6700"}
ALDER_LAKE = {"architecture": "x86_64", "cpu_features": ["avx2", "avx_vnni"], "cpu": "Intel(R) Core(TM) i5-12400"}
SERVER = {"architecture": "x86_64", "cpu_features": ["avx2", "avx512_vnni"], "cpu": "AMD EPYC 9354"}
GAMING_PC = SERVER | {"nvidia_driver": "590.44"}
GRAVITON = {"architecture": "aarch64", "cpu_features": ["asimddp", "i8mm", "bf16"], "cpu": "Neoverse-V1"}

MINIMAL = """
name = "mine"
description = "a board"
[machine]
architecture = "arm64"
[[candidates]]
provider = "cpu"
"""


def _written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", targets.names())
def test_every_packaged_target_is_valid_and_called_as_its_file(name: str) -> None:
    target = targets.load(name)
    assert target.name == name
    assert target.candidates[0].precision == "fp32"


@pytest.mark.parametrize("name", targets.names())
def test_a_recipe_gives_the_precision_that_its_candidate_claims(name: str) -> None:
    for candidate in targets.load(name).candidates:
        if candidate.recipe:
            assert recipes.load(candidate.recipe).precision == candidate.precision


def test_a_misspelt_key_is_named_with_its_file_and_the_nearest_right_one(tmp_path: Path) -> None:
    path = _written(tmp_path, MINIMAL + "[budgets]\nlatency_ration = 1.1\n")
    with pytest.raises(ConfigError, match=r"mine\.toml: unknown key 'budgets\.latency_ration'.*'latency_ratio'"):
        targets.load(path)


def test_a_misspelt_key_in_a_list_of_tables_is_named(tmp_path: Path) -> None:
    path = _written(tmp_path, MINIMAL + 'recipee = "u8s8-minmax"\n')
    with pytest.raises(ConfigError, match=r"'candidates\.0\.recipee'.*'recipe'"):
        targets.load(path)


def test_an_unknown_recipe_of_a_target_is_found_when_it_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="u8s8-minmax"):
        targets.load(
            _written(tmp_path, MINIMAL + '[[candidates]]\nprovider="cpu"\nprecision="int8"\nrecipe="u8s8-minmx"')
        )


def test_the_first_candidate_must_be_the_float_baseline(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="baseline"):
        targets.load(_written(tmp_path, MINIMAL + 'precision = "int8"\nrecipe = "u8s8-minmax"\n'))


def test_two_equal_candidates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the same"):
        targets.load(_written(tmp_path, MINIMAL + '[[candidates]]\nprovider = "cpu"\n'))


def test_an_unknown_target_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="raspberry-pi-5"):
        targets.load("rasberry-pi-5")


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (PI5, "raspberry-pi-5"),
        (PI4, "raspberry-pi-4"),
        (ORIN, "jetson-orin-nano"),
        (N100, "intel-n100"),
        (OLD_PC, "x86-64"),
        (ALDER_LAKE, "x86-64-vnni"),
        (SERVER, "x86-64-vnni"),
        (GAMING_PC, "cuda-desktop"),
        (GRAVITON, "arm64"),
    ],
)
def test_a_machine_finds_the_target_that_describes_it_best(
    facts: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgetl.device.machine.facts", lambda: dict(facts))
    monkeypatch.setattr("edgetl.device.machine.engines", lambda: {"onnxruntime-gpu": "1.31"})
    detected = targets.load("host")
    assert detected.name == "host"
    assert detected.candidates == targets.load(name).candidates


def test_a_gpu_without_an_onnxruntime_for_it_leaves_the_cpu_as_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgetl.device.machine.facts", lambda: dict(GAMING_PC))
    monkeypatch.setattr("edgetl.device.machine.engines", lambda: {"onnxruntime": "1.31"})
    assert targets.detect().candidates[0].provider == "cpu"


def test_8_bit_weights_are_never_tried_where_their_products_saturate() -> None:
    target = targets.load("x86-64")
    used = [recipes.load(candidate.recipe) for candidate in target.candidates if candidate.recipe]
    assert used
    assert all(recipe.reduce_range for recipe in used)


def test_a_target_of_a_file_is_found_again_by_its_name_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _written(tmp_path, MINIMAL)
    loaded = targets.load("mine.toml")
    monkeypatch.chdir("/")
    assert targets.load(loaded.name) == loaded
