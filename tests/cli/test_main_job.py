"""The main job through real processes: every stage in an empty folder, then `edgetl run` on the same."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from edgetl.artifacts import RunResult
from edgetl.reporting.json import as_object
from tests.cli.hostile import COLOURS, Said, contents, photos, run, start
from tests.conftest import REPOSITORY
from tests.photos import photo

pytestmark = [pytest.mark.training, pytest.mark.engine]

DATA = ("--data", "photos", "--arch", "squeezenet1_1", "--weights", "none")
RUN = "runs/photos-squeezenet1_1"
STAGES = {
    "finetune": DATA,
    "export": (),
    # As long as `edgetl run` gives it: a shorter search that was cut short would be repeated.
    "quantize": ("--time-budget", "65s"),
    "bench": ("--time-budget", "6s", "--provider", "cpu", "--provider", "openvino", "--provider", "cuda"),
    "check": ("--time-budget", "6s"),
}
EXIT = {"pass": 0, "fail": 1, "inconclusive": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder but for photos, with a cache elsewhere."""
    root = tmp_path_factory.mktemp("main-job")
    work = root / "work"
    photos(work / "photos", per_class=12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGETL_CACHE", str(root / "cache"))
        yield work


@pytest.fixture(scope="module")
def job(folder: Path) -> Mapping[str, Said]:
    """What each stage said, one after the other."""
    return {name: run(name, *arguments, "--json", cwd=folder) for name, arguments in STAGES.items()}


@pytest.fixture(autouse=True)
def _there(folder: Path, job: Mapping[str, Said], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("EDGETL_CACHE", str(folder.parent / "cache"))


def expected_code(command: str, said: Said) -> int:
    """Return the exit code that what a command printed calls for."""
    if command == "check":
        return EXIT[said.json["verdict"]]
    if command != "bench":
        return 0
    # A provider that was asked for by name and cannot run here is an error, besides its row.
    measured = {row["provider"] for row in said.json["rows"] if row["status"] != "unavailable"}
    return 0 if measured >= {"cpu", "openvino", "cuda"} else 3


def documented(command: str) -> set[str]:
    """Return the keys that docs/json.md promises of a command."""
    text = (REPOSITORY / "docs" / "json.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `{command}` \| (.*) \|$", text, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", row))


def keys_named(start: str) -> set[str]:
    """Return the keys in the paragraph of docs/json.md that begins so."""
    text = (REPOSITORY / "docs" / "json.md").read_text(encoding="utf-8")
    (paragraph,) = (part for part in text.split("\n\n") if part.startswith(start))
    listed = paragraph.split("`status` is")[0].split(" has ", 1)[1]
    return set(re.findall(r"`(\w+)`", listed)) - {"bench", "quantize"}


@pytest.mark.parametrize("command", STAGES)
def test_a_stage_prints_one_object_with_the_documented_keys(job: Mapping[str, Said], command: str) -> None:
    said = job[command]
    assert "Traceback" not in said.err
    assert documented(command) <= said.json.keys()
    assert said.json["run"] == RUN
    assert said.code == expected_code(command, said), said.err


@pytest.mark.parametrize("command", ["targets", "models", "doctor"])
def test_a_list_prints_one_object_with_the_documented_keys(command: str) -> None:
    said = run(command, "--json")
    assert said.code == 0, said.err
    # Beside the object's own key the row says what is in each entry.
    (first, *_) = said.json
    assert first in documented(command)
    assert {key for problem in said.json.get("problems", []) for key in problem} <= documented(command)


def test_candidates_and_rows_have_the_documented_keys(job: Mapping[str, Said]) -> None:
    candidate, row = keys_named("A **candidate**"), keys_named("A **row**")
    assert len(candidate) > 10 and len(row) > 8
    for each in job["quantize"].json["candidates"]:
        assert candidate == each.keys()
    for each in job["bench"].json["rows"]:
        assert candidate | row == each.keys()


def test_the_colours_are_learnt(job: Mapping[str, Said]) -> None:
    tuned = job["finetune"].json
    assert tuned["classes"] == list(COLOURS)
    assert tuned["val_accuracy"] > 0.6
    assert tuned["skipped_images"] == 0
    assert job["export"].json["max_abs_diff"] <= job["export"].json["tolerance"]


def test_the_choice_is_a_candidate_and_every_other_has_its_reason(job: Mapping[str, Said]) -> None:
    quantized = job["quantize"].json
    statuses = {each["name"]: each["status"] for each in quantized["candidates"]}
    assert statuses[quantized["chosen"]] in ("chosen", "baseline")
    assert set(statuses.values()) <= {"baseline", "chosen", "accepted", "rejected", "unavailable", "skipped"}
    assert all(each["reason"].endswith((".", "?")) for each in quantized["candidates"])


def test_a_provider_is_measured_as_itself_or_says_why_not(job: Mapping[str, Said]) -> None:
    rows = job["bench"].json["rows"]
    assert {row["provider"] for row in rows} == {"cpu", "openvino", "cuda"}
    for row in rows:
        if row["status"] == "unavailable":
            assert row["reason"].endswith(".") and "Traceback" not in row["reason"]
            assert row["placement"] is row["latency_p50_ms"] is row["accuracy"] is None
        elif row["provider"] == "openvino":
            assert row["engine"] == "openvino"
        elif row["provider"] == "cuda":
            assert row["placement"].keys() == {"CUDAExecutionProvider"}
        else:
            assert row["engine"] == "onnxruntime"
            assert row["latency_p50_ms"] > 0 and 0 <= row["accuracy"] <= 1
    assert rows[0]["status"] == "baseline"


def test_a_verdict_carries_its_numbers_and_reasons(job: Mapping[str, Said]) -> None:
    checked = job["check"].json
    assert checked["reasons"]
    low, high = checked["latency"]["ci"]
    assert low <= checked["latency"]["ratio"] <= high
    assert checked["latency"].keys() == {"ratio", "ci", "budget"}
    assert {"baseline", "candidate", "drop", "ci", "flips", "budget"} <= checked["accuracy"].keys()
    assert checked["accuracy"]["candidate"] == pytest.approx(
        checked["accuracy"]["baseline"] - checked["accuracy"]["drop"]
    )


def test_nothing_but_the_runs_is_left(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {"photos", "runs"}
    assert {path.name for path in (folder / "runs").iterdir()} == {"latest", Path(RUN).name}
    assert list((folder / "runs").rglob(".*")) == []


def test_a_run_can_be_named_from_elsewhere(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = shutil.copytree(folder / RUN, tmp_path / "copy")
    monkeypatch.chdir(tmp_path)
    said = run("export", "--json", "--run", str(copied))
    assert said.code == 0, said.err
    assert (Path(said.json["run"]) / said.json["model"]).is_file()
    assert run("quantize", "--target", "nonsense").error.startswith("There is no target")


def test_an_artifact_of_a_newer_version_is_refused(folder: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(folder / RUN, tmp_path / "copy")
    stored = json.loads((copied / "quantize.json").read_text(encoding="utf-8"))
    (copied / "quantize.json").write_text(json.dumps(stored | {"schema_version": 99}), encoding="utf-8")
    before = contents(copied)
    said = run("bench", "--run", str(copied))
    assert said.code == 2
    assert "quantize.json" in said.error and "Upgrade edgetl" in said.error
    assert contents(copied) == before


def kept(said: Said) -> dict[str, bool]:
    """Return of each stage whether `edgetl run` kept it, by what it printed."""
    lines = {name: next(line for line in said.err.splitlines() if line.startswith(name)) for name in STAGES}
    return {name: "unchanged" in line for name, line in lines.items()}


def test_run_keeps_what_has_not_changed_and_repeats_what_has(job: Mapping[str, Said]) -> None:
    same = run("run", *DATA, *STAGES["bench"][2:], "--json")
    assert same.code == EXIT[same.json["verdict"]], same.err
    assert documented("run") <= same.json.keys()
    assert kept(same) == dict.fromkeys(STAGES, True)
    assert {name: same.json[name] for name in STAGES} == {name: job[name].json for name in STAGES}


# What a notebook holds.
NOTEBOOK = """
import edgetl
result = edgetl.run("photos", arch="squeezenet1_1", weights="none", providers=["cpu", "openvino", "cuda"])
best = result.quantize.candidate(result.quantize.chosen)
bundled = edgetl.bundle(force=True, golden=4)
verified = edgetl.verify(bundled.bundle, seconds=None)
"""


def test_five_lines_of_python_keep_what_the_commands_made_and_go_on(job: Mapping[str, Said]) -> None:
    names: dict[str, Any] = {}
    exec(NOTEBOOK, names)
    result: RunResult = names["result"]
    assert {name: as_object(getattr(result, name)) for name in STAGES} == {name: job[name].json for name in STAGES}
    assert names["best"].name == job["quantize"].json["chosen"]
    assert names["verified"].ok, names["verified"].reasons
    assert "next: edgetl ship" in names["verified"]._repr_html_()
    Path(names["bundled"].bundle).unlink()


@pytest.mark.parametrize("change", ["seed", "data", "place"])
def test_a_change_repeats_the_stages_that_depend_on_it(folder: Path, tmp_path: Path, change: str) -> None:
    shutil.copytree(folder / RUN, tmp_path / "run")
    photos = folder / "photos" if change == "seed" else shutil.copytree(folder / "photos", tmp_path / "photos")
    arguments = ["run", "--data", str(photos), *DATA[2:], "--out", str(tmp_path / "run")]
    if change == "seed":
        arguments += ["--seed", "1"]
    elif change == "data":
        photo(tmp_path / "photos" / "red" / "new.png", (200, 40, 40), seed=99)
    process = start(*arguments)
    assert process.stderr is not None
    # Two stages show it; the long ones that follow are spared.
    lines = [process.stderr.readline() for _ in range(2)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert [line.split()[0] for line in lines] == ["finetune", "export"], lines
    assert not any("unchanged" in line for line in lines)
