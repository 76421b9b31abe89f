"""Completion in real shells: what a person gets who types a part and presses TAB."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgetl.cli import main
from tests import installed
from tests.cli.hostile import invoke

# What bash runs after TAB, asked for one line; fish and zsh are asked in their own ways.
BASH = """
source {script}
COMP_LINE={line!r} COMP_POINT=${{#COMP_LINE}} COMP_WORDS=({line}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_edgetl_completion edgetl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = """
source {script}
complete --do-complete {line!r}
"""
# zsh adds completions in its line editor alone: what would be added there is printed.
ZSH = """
compdef() {{ : }}
_describe() {{ print -l -- ${{(P)3}} }}
compadd() {{ print -l -- ${{(P)${{@[-1]}}}} }}
words=({line}) CURRENT=${{#words}}
source {script}
_edgetl_completion
"""


@pytest.fixture
def completed(tmp_path: Path) -> Callable[[str, str], str]:
    """Return what a shell offers for a line that ends where TAB is pressed."""
    programs = tmp_path / "bin"
    programs.mkdir()
    edgetl = programs / "edgetl"
    edgetl.write_text(f'#!/bin/sh\nexec {sys.executable} -m edgetl "$@"\n', encoding="utf-8")
    edgetl.chmod(0o755)

    def ask(shell: str, line: str) -> str:
        installed.require((shell,), (shell,))
        program = str(installed.where(shell))
        script = tmp_path / f"completion.{shell}"
        script.write_text(invoke("completion", shell).out, encoding="utf-8")
        asked = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell].format(script=script, line=line)
        env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "xterm"}
        arguments = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
        done = subprocess.run(
            [program, *arguments, "-c", asked], capture_output=True, text=True, env=env, check=False, timeout=120
        )
        return done.stdout

    return ask


def test_bash_completes_commands_options_and_names(completed: Callable[[str, str], str]) -> None:
    assert completed("bash", "edgetl fin").split() == ["finetune"]
    assert completed("bash", "edgetl run --target ras").split() == ["raspberry-pi-4", "raspberry-pi-5"]
    assert completed("bash", "edgetl finetune --time-b").split() == ["--time-budget"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_complete_names_too(completed: Callable[[str, str], str], shell: str) -> None:
    assert "finetune" in completed(shell, "edgetl fin")
    said = completed(shell, "edgetl run --target ras")
    assert "raspberry-pi-4" in said and "raspberry-pi-5" in said


@pytest.mark.parametrize(
    ("words", "typed", "offered"),
    [
        ("finetune --arch", "mobilenet_v3_s", ["mobilenet_v3_small"]),
        ("finetune --strategy", "f", ["finetune", "full"]),
        ("finetune --weights", "emb", ["embedded"]),
        ("bench --provider", "open", ["openvino", "openvino-ep"]),
        ("bench --run", "pho", ["photos-resnet18"]),
        ("check --candidate", "cpu", ["cpu-fp32", "cpu-int8"]),
        ("verify x.pyz --emulate", "a", ["avx2", "arm64"]),
        ("env create", "open", ["openvino-ep"]),
        ("targets", "host", ["host"]),
    ],
)
def test_values_are_names_that_there_are(words: str, typed: str, offered: list[str]) -> None:
    from click.shell_completion import ShellComplete

    run = Path("runs/photos-resnet18")
    run.mkdir(parents=True)
    run.with_name("latest").symlink_to(run.name)
    stored = '{"candidates": [{"name": "cpu-fp32"}, {"name": "cpu-int8"}]}'
    (run / "quantize.json").write_text(stored, encoding="utf-8")
    found = ShellComplete(main, {}, "edgetl", "").get_completions(words.split(), typed)
    assert [item.value for item in found] == offered


def test_a_path_is_left_to_the_shell() -> None:
    from click.shell_completion import ShellComplete

    found = ShellComplete(main, {}, "edgetl", "").get_completions(["run", "--target"], "./mine")
    assert [(item.value, item.type) for item in found] == [("./mine", "file")]


def test_an_unknown_shell_is_told_the_known_ones() -> None:
    said = invoke("completion", "tcsh")
    assert said.code == 2
    assert "fish" in said.err
