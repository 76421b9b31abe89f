"""`edgetl init`: files that edgetl and CI take as they are, and nothing of anybody's overwritten."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shlex
import subprocess
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edgetl.cli import main
from edgetl.cli.group import settings
from tests.cli.hostile import Said, contents, invoke, on_terminal

yaml = pytest.importorskip("yaml")

MODELS = ("models/model.pyz", "models/model.onnx")
TOML, GITHUB, GITLAB = Path("edgetl.toml"), Path(".github/workflows/edgetl.yml"), Path(".gitlab-ci.edgetl.yml")


def written(*arguments: str) -> Said:
    said = invoke("init", *arguments)
    assert said.code == 0, said.err
    return said


def read(path: Path) -> dict[Any, Any]:
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return value


def scripts(path: Path) -> str:
    """Return all that a CI job runs, as one shell script."""
    value = read(path)
    if path == GITHUB:
        return "\n".join(step.get("run", "") for step in value["jobs"]["check"]["steps"])
    return "\n".join(value["edgetl"]["before_script"] + value["edgetl"]["script"])


# --- settings ---------------------------------------------------------------------------------------------------------


def test_what_is_written_changes_nothing_until_it_is_edited() -> None:
    written()
    assert tomllib.loads(TOML.read_text(encoding="utf-8")) == {
        name: {} for name in ("run", "finetune", "quantize", "bench", "check")
    }
    assert all(values == {} for values in settings(main, TOML).values())


def test_every_option_in_a_comment_is_one_that_edgetl_has() -> None:
    written()
    text = TOML.read_text(encoding="utf-8")
    uncommented = re.sub(r"^# (?=[a-z-]+ = )", "", text, flags=re.MULTILINE)
    TOML.write_text(uncommented, encoding="utf-8")
    found = settings(main, TOML)
    assert found["finetune"] == {
        "data": "photos/", "arch": "mobilenet_v2", "strategy": "auto", "time_budget": "5m",
    }  # fmt: skip
    assert found["quantize"]["target"] == found["check"]["target"] == "host"
    assert found["quantize"]["max_drop"] == "0.5%"
    assert found["check"]["time_budget"] == "90s"


def test_a_target_is_written_down_and_must_be_one() -> None:
    written("--target", "raspberry-pi-5")
    assert settings(main, TOML)["check"]["target"] == "raspberry-pi-5"
    said = invoke("init", "--force", "--target", "raspbery-pi-5")
    assert said.code == 2
    assert "Did you mean 'raspberry-pi-5'?" in said.error
    assert settings(main, TOML)["check"]["target"] == "raspberry-pi-5"


def test_what_is_typed_is_written_down_for_all_that_take_it() -> None:
    said = written("--data", "my photos/", "--arch", "resnet18", "--target", "intel-n100")
    found = settings(main, TOML)
    for command in ("run", "finetune"):
        assert (found[command]["data"], found[command]["arch"]) == ("my photos/", "resnet18")
    assert found["run"]["target"] == "intel-n100"
    assert "arch" not in found["rank"] and "archs" not in found["rank"], "ranking compares all"
    assert "next: edgetl run\n" in said.out
    refused = invoke("init", "--force", "--arch", "resnet81")
    assert refused.code == 2 and "Did you mean" in refused.error


# --- questions --------------------------------------------------------------------------------------------------------


CTRL_C = "\x03"


def asked(*keys: str, arguments: Sequence[str] = ()) -> tuple[int, str]:
    """Return how `edgetl init` ended and what it showed at a terminal where each question is answered with ``keys``."""
    process, terminal = on_terminal("init", *arguments)
    shown = ""
    for key in (*keys, None):
        # Linux ends the reading side of a terminal that all have left with an error.
        with contextlib.suppress(OSError):
            while key is None or not shown.endswith("]: "):
                assert select.select([terminal], [], [], 60)[0], shown
                shown += os.read(terminal, 4096).decode()
            # Python does not hear Ctrl-C in the moment between its question and its waiting for the answer.
            time.sleep(1.0 if key == CTRL_C else 0.0)
            os.write(terminal, key.encode())
            shown += os.read(terminal, 4096).decode()
    os.close(terminal)
    return process.wait(), shown


def test_enter_takes_every_default() -> None:
    code, shown = asked("\n", "\n", "\n", "\n")
    assert code == 0, shown
    assert contents(Path()).keys() == {"edgetl.toml"}
    assert all(values == {} for values in settings(main, TOML).values())


def test_answers_are_checked_and_written() -> None:
    Path("photos").mkdir()
    Path(".github").mkdir()
    code, shown = asked("phtos\n", "\n", "raspbery-pi-5\n", "raspberry-pi-5\n", "resnet18\n", "\n")
    assert code == 0, shown
    assert "Did you mean 'photos'?" in shown and "Did you mean 'raspberry-pi-5'?" in shown
    found = settings(main, TOML)["run"]
    assert found == {"data": "photos/", "target": "raspberry-pi-5", "arch": "resnet18"}
    assert GITHUB.is_file(), "the default where .github is"


def test_ctrl_c_leaves_nothing() -> None:
    code, shown = asked("\n", "\n", CTRL_C)
    assert code == 130, shown
    assert "Interrupted. Nothing was written." in shown
    assert list(Path().iterdir()) == []


def test_settings_that_are_there_are_kept_unless_the_answer_is_yes() -> None:
    TOML.write_text("seed = 1\n", encoding="utf-8")
    code, shown = asked("\n", "gitlab\n")
    assert code == 0, shown
    assert TOML.read_text(encoding="utf-8") == "seed = 1\n" and GITLAB.is_file()


def test_what_is_typed_is_not_asked_for() -> None:
    code, shown = asked(arguments=["--yes"])
    assert code == 0 and "?" not in shown, shown
    assert TOML.is_file()


# --- what is there ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "arguments"),
    [
        (TOML, ()),
        (TOML, ("--ci", "github", "--target", "intel-n100")),
        (GITHUB, ("--ci", "github")),
        (GITLAB, ("--ci", "gitlab")),
    ],
)
def test_a_file_that_is_there_stays_unless_forced(there: Path, arguments: tuple[str, ...]) -> None:
    there.parent.mkdir(parents=True, exist_ok=True)
    there.write_text("# mine\n", encoding="utf-8")
    before = contents(Path())
    said = invoke("init", *arguments)
    assert (said.code, said.out) == (2, "")
    assert said.error == f"{there} is already there. Add --force to replace it."
    assert contents(Path()) == before, "neither is the other file written"
    written(*arguments, "--force")
    assert there.read_text(encoding="utf-8") != "# mine\n"


def test_settings_that_are_there_are_kept_where_only_the_job_is_asked_for() -> None:
    TOML.write_text('target = "intel-n100"\n', encoding="utf-8")
    said = written("--ci", "gitlab", "--json")
    assert said.json == {"written": [str(GITLAB)], "kept": [str(TOML)]}
    assert TOML.read_text(encoding="utf-8") == 'target = "intel-n100"\n'


def test_replacing_the_settings_keeps_the_target() -> None:
    TOML.write_text('target = "intel-n100"\n', encoding="utf-8")
    written("--force")
    assert tomllib.loads(TOML.read_text(encoding="utf-8"))["target"] == "intel-n100"


def test_a_folder_that_cannot_be_written_is_a_sentence() -> None:
    Path(".github").touch()
    said = invoke("init", "--ci", "github")
    assert said.code == 2
    assert ".github/workflows/edgetl.yml cannot be written" in said.error


def test_a_person_is_told_what_was_written_and_what_is_next() -> None:
    said = written("--ci", "github")
    assert f"wrote {TOML}" in said.out
    assert f"wrote {GITHUB}" in said.out
    assert "next: edgetl bundle --out models/model.pyz" in said.out
    assert json.loads(written("--force", "--json").out) == {"written": [str(TOML)], "kept": []}


# --- CI jobs ----------------------------------------------------------------------------------------------------------


def test_the_github_workflow_has_what_it_needs_to_gate_a_pull_request() -> None:
    written("--ci", "github")
    value = read(GITHUB)
    # YAML 1.1 takes a bare `on` for true.
    assert "pull_request" in value[True]
    assert value["permissions"] == {"contents": "read"}
    job = value["jobs"]["check"]
    upload = job["steps"][-1]
    assert upload["uses"].startswith("actions/upload-artifact@")
    assert "reports/" in upload["with"]["path"].split()
    assert "cancelled()" in upload["if"], "reports of a failed check are kept, too"
    # What a pull request's author chooses reaches no shell but through the environment.
    assert "${{" not in scripts(GITHUB)


def test_the_gitlab_job_hands_its_reports_to_the_merge_request() -> None:
    written("--ci", "gitlab")
    text = GITLAB.read_text(encoding="utf-8")
    assert "local: .gitlab-ci.edgetl.yml" in text, "it says how it is included"
    job = read(GITLAB)["edgetl"]
    assert job["allow_failure"] == {"exit_codes": 4}
    assert job["artifacts"]["when"] == "always"
    asked = options_of_check(GITLAB)
    reports = job["artifacts"]["reports"]
    assert reports["junit"] == asked["--junit"]
    assert reports["codequality"] == asked["--code-quality"]
    assert reports["metrics"] == asked["--metrics"]


def options_of_check(path: Path) -> dict[str, str]:
    """Return the options of the job's `edgetl check` and their values."""
    (line,) = re.findall(r"^edgetl check (.*?)(?:\|\||$)", scripts(path).replace("\\\n", " "), re.MULTILINE)
    words = shlex.split(line)
    return dict(zip(words[::2], words[1::2], strict=True))


@pytest.mark.parametrize(("ci", "path"), [("github", GITHUB), ("gitlab", GITLAB)])
def test_the_job_calls_check_with_options_that_it_has(ci: str, path: Path) -> None:
    written("--ci", ci)
    known = {name for parameter in main.commands["check"].params for name in parameter.opts}
    asked = options_of_check(path)
    assert set(asked) <= known
    assert asked["--baseline"] == "baseline.${MODEL##*.}"
    assert (asked["--candidate"], asked["--images"]) == ("$MODEL", "$IMAGES")


def _git(*arguments: str, folder: Path) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A checkout whose model differs from the one on main, and an `edgetl` that ends as the test wants."""
    origin, clone, commands = tmp_path / "origin", tmp_path / "clone", tmp_path / "bin"
    (origin / "models").mkdir(parents=True)
    for name in MODELS:
        (origin / name).write_bytes(b"\x00old\r\n")
    for arguments in (("init",), ("add", "."), ("commit", "-m", "old")):
        _git(*arguments, folder=origin)
    _git("clone", str(origin), str(clone), folder=tmp_path)
    for name in MODELS:
        (clone / name).write_bytes(b"\x00new\r\n")
    commands.mkdir()
    edgetl = commands / "edgetl"
    edgetl.write_text('#!/bin/sh\necho "$@" > called.txt\nexit "$ENDS"\n', encoding="utf-8")
    edgetl.chmod(0o755)
    (commands / "pip").symlink_to("/bin/true")
    return clone


def run_job(path: Path, clone: Path, ends: int, **environment: str) -> int:
    """Run a job's scripts one after another, as CI does; returns the exit code of the first that fails."""
    env = {
        "PATH": f"{clone.parent / 'bin'}:/usr/bin:/bin", "ENDS": str(ends), "BASE": "main", "IMAGES": "images/",
        "MODEL": MODELS[0], "GITHUB_OUTPUT": str(clone.parent / "output"), "HOME": str(clone.parent),
        **environment,
    }  # fmt: skip
    value = read(path)
    if path == GITHUB:
        parts = [step["run"] for step in value["jobs"]["check"]["steps"] if "run" in step]
    else:
        # One shell for all, in which an `exit` ends the job.
        parts = [scripts(path)]
    for part in parts:
        if "edgetl check" in part and path == GITHUB and not (clone.parent / "output").exists():
            continue
        code = subprocess.run(
            ["bash", "-e", "-c", part], cwd=clone, env=env, capture_output=True, check=False
        ).returncode
        if code:
            return code
    return 0


@pytest.mark.parametrize(("ci", "path"), [("github", GITHUB), ("gitlab", GITLAB)])
@pytest.mark.parametrize("ends", [0, 1, 2, 3, 4])
def test_the_job_ends_as_check_does_but_for_inconclusive(ci: str, path: Path, ends: int, clone: Path) -> None:
    written("--ci", ci)
    # GitLab itself takes 4 for a warning: allow_failure.
    assert run_job(path, clone, ends) == (0 if ends == 4 and ci == "github" else ends)
    assert (clone / "baseline.pyz").read_bytes() == b"\x00old\r\n"
    assert "--candidate models/model.pyz" in (clone / "called.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(("ci", "path"), [("github", GITHUB), ("gitlab", GITLAB)])
def test_the_job_compares_onnx_files_too(ci: str, path: Path, clone: Path) -> None:
    """What a file is shows in its ending, and the baseline's is that of the model."""
    written("--ci", ci)
    assert run_job(path, clone, 0, MODEL="models/model.onnx") == 0
    assert (clone / "baseline.onnx").read_bytes() == b"\x00old\r\n"
    assert "--baseline baseline.onnx --candidate models/model.onnx" in (clone / "called.txt").read_text("utf-8")


@pytest.mark.parametrize(("ci", "path"), [("github", GITHUB), ("gitlab", GITLAB)])
def test_a_first_model_has_nothing_to_be_compared_with(ci: str, path: Path, clone: Path) -> None:
    written("--ci", ci)
    assert run_job(path, clone, 1, MODEL="models/first.onnx") == 0
    assert not (clone / "called.txt").exists()
