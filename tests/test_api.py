"""Python's functions and the commands: the same defaults, the same results, and types that a checker sees."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgetl import api
from edgetl.api.convert import Seen
from edgetl.api.training import Training, settings
from edgetl.artifacts import BenchResult, CheckResult
from edgetl.cli import main
from edgetl.errors import RunError, UsageError
from edgetl.training.hyper import Hyper
from edgetl.training.settings import Adapt, FinetuneSettings
from tests.bundles import bundle
from tests.cli.hostile import invoke
from tests.measure.scripted_run import MS, scripted_run
from tests.photos import Remarks

COMMANDS = ("finetune", "export", "quantize", "bench", "check", "bundle", "verify", "ship", "rank", "report", "run")
# What only a command has: how it prints, and what is a function of its own in Python.
OF_THE_COMMAND_LINE = {"as_json", "explain", "sweep", "no_timing", "what"} | {
    "junit", "markdown", "code_quality", "metrics", "text",
}  # fmt: skip


def parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the parameters of a function with their defaults, those of a training among them."""
    found = inspect.signature(function).parameters
    plain = {
        name: () if each.kind is each.VAR_POSITIONAL else each.default
        for name, each in found.items()
        if each.kind is not each.VAR_KEYWORD
    }
    groups = {"training": Training, "seen": Seen}
    return plain | {name: None for group, keys in groups.items() if group in found for name in keys.__annotations__}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_function_has_the_options_of_its_command(command: str) -> None:
    own = set(parameters(getattr(api, command))) | set(parameters(api.sweep) if command == "bench" else ())
    own |= set(parameters(api.explain) if command == "quantize" else ())
    options = {str(each.name) for each in main.commands[command].params} - (OF_THE_COMMAND_LINE - own)
    assert options <= own
    assert own - options <= {"progress", "seconds", "devices", "bundle"}


def parsed(command: str, *arguments: str) -> dict[str, Any]:
    """Return what a command hands on where only ``arguments`` are typed."""
    return main.commands[command].make_context(command, list(arguments)).params


@pytest.mark.parametrize("command", COMMANDS)
def test_a_function_and_its_command_have_the_same_defaults(command: str) -> None:
    function = parameters(getattr(api, command))
    for name, default in parsed(command, *(["x.pyz"] if command in ("verify", "ship") else [])).items():
        if name in function and name not in Training.__annotations__ and name != "bundle":
            # What people read as 10m is 600.0.
            assert function[name] == (600.0 if default == "10m" else default), name


def test_a_training_has_the_same_defaults_as_the_stage() -> None:
    defaults = FinetuneSettings(Path("runs/demo-mobilenet_v2"))
    assert settings(None, None, {}) == defaults
    told = {name: value for name, value in parsed("finetune").items() if name in Training.__annotations__}
    assert settings(None, None, told) == defaults  # type: ignore[arg-type]


def test_options_of_a_training_arrive_under_their_names() -> None:
    found = settings(
        "photos",
        None,
        {
            "unfreeze": 2, "batch_size": 8, "lr": 0.1, "label_smoothing": 0.2, "time_budget": "2m",
            "weights": Path("w.pth"), "adapt_to": "there",
        },
    )  # fmt: skip
    assert found.hyper == Hyper(stages=2, batch=8, rate=0.1, smoothing=0.2)
    assert (found.run, found.time_budget_s, found.weights) == (Path("runs/photos-mobilenet_v2"), 120.0, "w.pth")
    assert found.adapt == Adapt(Path("there"))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"arhc": "resnet18"}, "Did you mean 'arch'?"),
        ({"strategy": "prob"}, "Did you mean 'probe'?"),
        ({"augment": "strng"}, "Did you mean 'strong'?"),
        ({"time_budget": "soon"}, "not a duration"),
        ({"time_budget": -1}, "not a duration"),
        ({"adapt_check": "x"}, "only serves --adapt-to"),
    ],
)
def test_what_there_is_not_is_refused_with_the_nearest_name(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        api.finetune("photos", **given)


def test_a_check_from_python_is_that_of_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={"latency_ns": [4 * MS]})
    result = api.check(run, time_budget=1.0)
    assert capfd.readouterr() == ("", ""), "without a terminal nobody watches"
    assert result == CheckResult.load(run)
    assert Path("runs/latest").resolve() == run, "it is the last run from now on"
    said = invoke("check", "--time-budget", "1s", "--json")
    assert CheckResult.load(run).inputs == result.inputs
    assert said.json["verdict"] == result.verdict == "pass"
    # How many rounds there was time for changes the last digit of a mean.
    assert said.json["latency"]["ratio"] == pytest.approx(result.latency.ratio)


def test_a_benchmark_from_python_is_that_of_the_command_and_looks_so_in_a_notebook(tmp_path: Path) -> None:
    run = scripted_run(tmp_path, fake_fp32={}, fake_int8={"latency_ns": [4 * MS]})
    result = api.bench(str(run), providers=["fake"], time_budget="1s")
    said = invoke("bench", "--provider", "fake", "--time-budget", "1s")
    assert BenchResult.load(run).inputs == result.inputs
    assert [row.speedup for row in BenchResult.load(run).rows] == pytest.approx([row.speedup for row in result.rows])
    shown = result._repr_html_()
    assert shown is not None and shown.startswith("<pre")
    for name in ("fake-fp32", "fake-int8", "next: edgetl check"):
        assert name in shown and name in said.out
    renamed = result.model_copy(update={"rows": (result.rows[0].model_copy(update={"name": "<b>x</b>"}),)})
    assert "<b>x" not in (renamed._repr_html_() or "")
    assert result.rows[0]._repr_html_() is None, "a part of a result is shown as Python does"


def test_a_verification_from_python_is_that_of_the_command(tmp_path: Path) -> None:
    path, heard = bundle(tmp_path / "surface.pyz"), Remarks()
    result = api.verify(path, seconds=None, progress=heard)
    assert result.ok and heard.steps
    assert invoke("verify", str(path), "--no-timing", "--json").json == result.model_dump(mode="json")
    with pytest.raises(UsageError, match="leave one of them out"):
        api.verify(path, on="ssh://pi@line-1", emulate="avx2")


def test_two_ways_to_name_devices_are_one_too_many(tmp_path: Path) -> None:
    path = bundle(tmp_path / "surface.pyz")
    with pytest.raises(UsageError, match="either by addresses"):
        api.ship(path)
    with pytest.raises(UsageError, match="Name the bundle"):
        api.ship(None, ["ssh://pi@line-1/opt/models/surface"])


def test_without_a_run_the_last_one_is_taken_or_the_user_is_told() -> None:
    with pytest.raises(RunError, match="no run here yet"):
        api.export()
