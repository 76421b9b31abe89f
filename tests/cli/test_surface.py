"""The surface of the command line: what it loads, how it refuses, where settings come from."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edgetl import __version__
from edgetl.cli import main
from edgetl.cli.group import settings
from edgetl.defaults import RUN_QUANTIZE_S
from edgetl.errors import EdgetlError, Interruption, nearest_path
from tests.bundles import bundle
from tests.conftest import REPOSITORY

HEAVY = ("numpy", "torch", "onnx", "onnxruntime", "openvino", "PIL", "scipy", "pydantic", "rich")


def invoke(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\nfrom edgetl.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "finetune" in done.stdout


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    code, out, _ = invoke(command, "--help")
    assert code == 0
    assert f"edgetl {command}" in out.split("Examples:")[1]


def test_an_unknown_command_offers_the_nearest() -> None:
    code, _, err = invoke("fintune")
    assert code == 2
    assert "Did you mean 'finetune'?" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("export",), "no run here yet"),
        (("export", "--run", "nowhere"), "no run 'nowhere'"),
        (("targets", "raspbery-pi-5"), "Did you mean 'raspberry-pi-5'?"),
        (("finetune", "--arch", "mobilenetv2"), "Did you mean 'mobilenet_v2'?"),
        (("finetune", "--data", "missing"), "missing"),
        (("bench", "--time-budget", "soon"), "no run here yet"),
        (("bench", "--sweep", "--throughput"), "leave --throughput out"),
        (("bench", "--sweep", "--provider", "cpu"), "leave --provider out"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(arguments: tuple[str, ...], sentence: str) -> None:
    code, out, err = invoke(*arguments)
    assert (code, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err
    assert list(Path().iterdir()) == [], "a refused command leaves nothing behind"


def test_a_sweep_goes_with_what_the_settings_say_for_other_benchmarks() -> None:
    Path("edgetl.toml").write_text('[bench]\nthroughput = true\nprovider = ["cpu"]\n', encoding="utf-8")
    assert "no run here yet" in invoke("bench", "--sweep")[2]


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "--json"),
        ("finetune", "--json", "--arhc", "resnet18"),
        ("finetune", "--json", "--seed", "one"),
        ("finetune", "surplus", "--json"),
        ("exprt", "--json"),
    ],
    ids=" ".join,
)
def test_json_errors_are_one_object(arguments: tuple[str, ...]) -> None:
    code, out, err = invoke(*arguments)
    assert code == 2
    error = json.loads(out)["error"]
    assert error["exit_code"] == 2
    assert error["message"] in err


def test_settings_file_gives_defaults_and_flags_win() -> None:
    Path("edgetl.toml").write_text('arch = "mobilenetv2"\n', encoding="utf-8")
    code, _, err = invoke("finetune")
    assert code == 2
    assert "mobilenetv2" in err
    code, _, err = invoke("finetune", "--arch", "resnet81")
    assert "resnet81" in err


@pytest.mark.parametrize("text", ["weights = 'embedded'", "[rank]\nweights = 'embedded'", "weights = ['embedded']"])
def test_a_single_value_serves_an_option_that_may_be_repeated(text: str) -> None:
    Path("edgetl.toml").write_text(f"data = 'missing'\n{text}\n", encoding="utf-8")
    code, _, err = invoke("rank", "--arch", "mobilenet_v2")
    assert code == 2
    assert "missing" in err
    assert "--weights" not in err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("arhc = 'resnet18'", "Did you mean 'arch'?"),
        ("[fintune]\narch = 'resnet18'", "Did you mean 'finetune'?"),
        ("[finetune]\nsed = 1", "Did you mean 'seed'?"),
        ("arch = ", "cannot be read as TOML"),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_nearest_name(text: str, sentence: str) -> None:
    Path("edgetl.toml").write_text(text, encoding="utf-8")
    code, _, err = invoke("finetune")
    assert code == 2
    assert "edgetl.toml" in err
    assert sentence in err


def test_an_unexpected_failure_shows_no_traceback_but_debug_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(run: Path | None) -> Path:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr("edgetl.runs.resolve", fail)
    code, _, err = invoke("export")
    assert code == 3
    assert "surprise" in err
    assert "Traceback" not in err
    assert isinstance(CliRunner().invoke(main, ["--debug", "export"]).exception, ZeroDivisionError)


def test_ctrl_c_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(run: Path | None) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgetl.runs.resolve", interrupt)
    code, _, err = invoke("export")
    assert code == 130
    assert "Interrupted" in err


def test_a_stage_that_knows_how_to_go_on_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(run: Path | None) -> Path:
        raise Interruption("Interrupted. Go on with --resume.")

    monkeypatch.setattr("edgetl.runs.resolve", interrupt)
    code, out, err = invoke("export", "--json")
    assert code == 130
    assert err == "Error: Interrupted. Go on with --resume.\n"
    assert json.loads(out)["error"]["message"] == "Interrupted. Go on with --resume."


def test_an_interrupted_verification_does_not_say_that_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgetl.verification.stage.run_verification", interrupt)
    code, _, err = invoke("verify", str(bundle(Path("surface.pyz"))))
    assert (code, err) == (130, "Error: Interrupted: nothing was changed, and nothing is known of the bundle.\n")


def test_what_a_search_may_lose_is_said_to_run_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def whole(settings: Any, *_: object) -> None:
        asked.append(settings.quantize)
        raise Interruption("Seen.")

    monkeypatch.setattr("edgetl.pipeline.run", whole)
    for typed in (("--max-drop", "1%", "--accept-unproven", "--target", "intel-n100"), ()):
        assert invoke("run", *typed)[0] == 130
    given, plain = asked
    assert (given.max_drop, given.accept_unproven, given.target) == (0.01, True, "intel-n100")
    assert (plain.max_drop, plain.accept_unproven, plain.target) == (None, False, "host")
    assert given.time_budget_s == plain.time_budget_s == RUN_QUANTIZE_S


@pytest.mark.parametrize("saved", [True, False])
def test_a_training_that_saved_its_best_before_it_was_interrupted_is_the_last_run(
    monkeypatch: pytest.MonkeyPatch, saved: bool
) -> None:
    pytest.importorskip("torch")
    result = Path("mine/finetune.json")
    result.parent.mkdir()
    result.write_text("of an earlier run", encoding="utf-8")

    def interrupt(*_: object) -> None:
        if saved:
            result.unlink()
            result.write_text("the best so far", encoding="utf-8")
        raise Interruption("Interrupted.")

    monkeypatch.setattr("edgetl.training.finetune.finetune", interrupt)
    code, _, _ = invoke("finetune", "--out", "mine")
    assert code == 130
    assert Path("runs/latest").is_symlink() == saved
    if saved:
        assert Path("runs/latest/finetune.json").read_text(encoding="utf-8") == "the best so far"


# --- where to read more, and what is nearest --------------------------------------------------------------------------


def test_an_error_names_its_page_below_the_sentence() -> None:
    code, _, err = invoke("export")
    assert code == 2
    sentence, page = err.splitlines()
    assert sentence.startswith("Error: There is no run here yet.")
    assert page == "More: edgetl docs troubleshooting#runs"
    _, out, _ = invoke("export", "--json")
    assert json.loads(out)["error"]["docs"] == "troubleshooting#runs"
    _, out, err = invoke("finetune", "--arch", "resnet81", "--json")
    assert json.loads(out)["error"]["docs"] is None, "the nearest name says all"
    assert "More:" not in err


def test_every_page_that_an_error_names_is_there() -> None:
    families = [EdgetlError]
    for family in families:
        families += family.__subclasses__()
    pages = {family.docs for family in families} - {""}
    assert len(pages) >= 7
    page = (REPOSITORY / "docs/troubleshooting.md").read_text(encoding="utf-8")
    anchors = set(re.findall(r"^## .+ \{#(\w+)\}$", page, re.MULTILINE))
    assert {name.partition("#")[2] for name in pages} <= anchors


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("finetune", "--strategy", "prob"), "'probe'"),
        (("finetune", "--data", "phtos"), "'photos'"),
        (("finetune", "--bacth-size", "4"), "--batch-size"),
        (("finetune", "--head", "liner"), "'linear'"),
        (("quantize", "mdel.onnx", "--calibration", "photos"), "'model.onnx'"),
        (("bench", "--run", "smal"), "'small'"),
        (("verify", "mdel.onnx"), "'model.onnx'"),
        (("run", "--provider", "opnvino"), "'openvino'"),
        (("quantize", "--target", "raspbery-pi-5"), "'raspberry-pi-5'"),
        (("env", "create", "openvino-epp"), "'openvino-ep'"),
        (("env", "crate", "openvino-ep"), "'create'"),
        (("history", "rnus"), "'runs'"),
        (("init", "--ci", "githb"), "'github'"),
    ],
    ids=" ".join,
)
def test_a_misspelt_name_is_told_with_the_nearest(arguments: tuple[str, ...], hint: str) -> None:
    Path("photos").mkdir()
    Path("runs/small").mkdir(parents=True)
    Path("model.onnx").touch()
    Path("runs/latest").symlink_to("small")
    code, out, err = invoke(*arguments)
    assert (code, out) == (2, "")
    assert hint in err


def test_a_run_that_is_not_there_is_told_with_those_that_are() -> None:
    for name in ("first", "second"):
        Path("runs", name).mkdir(parents=True)
    assert "Runs here: first, second." in invoke("check", "--run", "entirely-else")[2]


@pytest.mark.parametrize(
    "option", [("finetune", "--epochs"), ("quantize", "--crop"), ("bundle", "--golden")], ids=" ".join
)
@pytest.mark.parametrize("value", ["abc", "1.5", ""])
def test_what_is_no_whole_number_is_told_so(option: tuple[str, str], value: str) -> None:
    code, _, err = invoke(*option, value)
    assert code == 2
    assert f"'{value}' is not a whole number." in err


# --- documentation, wherever edgetl is installed ----------------------------------------------------------------------


def test_the_pages_are_listed_and_each_of_them_is_shown() -> None:
    pages = json.loads(invoke("docs", "--json")[1])["pages"]
    assert {"tutorial", "ci", "howto/raspberry-pi", "troubleshooting"} <= set(pages)
    for page in pages:
        code, out, err = invoke("docs", page)
        assert (code, err) == (0, ""), page
        assert "<!--" not in out and "{#" not in out, page
    assert invoke("docs", "raspberry-pi")[1] == invoke("docs", "howto/raspberry-pi")[1]


def test_what_an_error_names_is_that_part_of_the_page_alone() -> None:
    page = invoke("export")[2].splitlines()[-1].removeprefix("More: edgetl ").split()
    code, out, _ = invoke(*page)
    assert code == 0
    assert "Runs" in out and "There is no run here yet" in out
    assert "Measuring and verdicts" not in out


@pytest.mark.parametrize(
    ("page", "hint"), [("tutorail", "'tutorial'"), ("raspbery-pi", "'raspberry-pi'"), ("troubleshooting#rns", "'runs'")]
)
def test_a_page_that_is_not_there_is_told_with_the_nearest(page: str, hint: str) -> None:
    code, _, err = invoke("docs", page)
    assert code == 2
    assert f"Did you mean {hint}?" in err


def test_the_version_names_the_engines_that_are_here() -> None:
    code, out, _ = invoke("--version")
    first, second, *engines = out.splitlines()
    assert code == 0
    assert (first, second) == (f"edgetl {__version__}", f"python {platform.python_version()}")
    for line in engines:
        name, version = line.split()
        assert importlib.metadata.version(name) == version
    if importlib.util.find_spec("torch"):
        assert any(line.startswith("torch ") for line in engines)


def test_a_path_is_offered_only_for_another_that_is_nearly_it(tmp_path: Path) -> None:
    for name in ("photos", "one", "opt"):
        (tmp_path / name).mkdir()
    assert nearest_path(tmp_path / "photo") == f" Did you mean '{tmp_path / 'photos'}'?"
    for far in ("nope", "nope.pth", "photos"):
        assert nearest_path(tmp_path / far) == ""
    code, _, err = invoke("verify", str(tmp_path / "photos"))
    assert (
        code,
        err.splitlines()[0].endswith("is a folder, not a bundle. Make one of a run with `edgetl bundle`."),
    ) == (2, True)


def test_what_stages_are_told_in_the_settings_holds_in_run_but_for_their_time(tmp_path: Path) -> None:
    file = tmp_path / "edgetl.toml"
    file.write_text(
        'epochs = 9\n[finetune]\nepochs = 3\nstrategy = "full"\ntime-budget = "5m"\n'
        '[quantize]\ntarget = "intel-n100"\nmax-drop = "1%"\n[run]\nstrategy = "auto"\n'
    )
    assert settings(main, file)["run"] == {
        "epochs": 3,
        "strategy": "auto",
        "target": "intel-n100",
        "max_drop": "1%",
    }


@pytest.mark.parametrize("name", ["run", "finetune"])
def test_photos_without_their_option_are_told_with_it(name: str) -> None:
    code, _, err = invoke(name, "photos/")
    assert code == 2
    assert f"`edgetl {name}` takes options only. Did you mean --data photos/?" in err
    assert "Got unexpected extra arguments (a b)" in invoke(name, "a", "b")[2]
