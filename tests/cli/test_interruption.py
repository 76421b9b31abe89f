"""Ctrl-C, SIGTERM and SIGKILL at several moments: workers gone, artifacts whole, and the same command finishes."""

from __future__ import annotations

import shutil
import signal
import time
import uuid
from pathlib import Path

import psutil
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from edgetl import classifier, runs
from edgetl.artifacts import BenchResult
from edgetl.progress import Silent
from tests.cli.hostile import Said, contents, run, small_run, start

pytestmark = [pytest.mark.training, pytest.mark.engine]

RUN = Path("runs/small")
# The mark in the environment of a command and, inherited, of every process that it starts.
MARK = "EDGETL_TEST_MARK"

COMMANDS = {
    "finetune": ("finetune", "--data", "photos", "--arch", "squeezenet1_1", "--weights", "none", "--out", str(RUN)),
    "export": ("export",),
    "quantize": ("quantize", "--time-budget", "3s"),
    "bench": ("bench", "--time-budget", "3s", "--provider", "cpu"),
}
# What a finetune writes, its own result last. Its length varies most with the machine's speed.
FINETUNED = {"data.json", "evaluation.json", classifier.FILE, "finetune.json"}
# Where a signal meets a command, as parts of the time that the whole command takes: while its libraries load, and in
# the midst of its work.
MOMENTS = (0.3, 0.7)
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """A folder with a finished run and a warm cache, and the seconds that each command took there."""
    from edgetl.exporting import ExportSettings, export
    from edgetl.measure.bench import BenchSettings, bench
    from edgetl.quantization import QuantizeSettings, quantize

    root = tmp_path_factory.mktemp("interruption")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGETL_CACHE", str(root / "cache"))
        small_run(root)
        patch.chdir(root)
        export(ExportSettings(RUN), Silent())
        quantize(QuantizeSettings(RUN, time_budget_s=3.0), Silent())
        bench(BenchSettings(RUN, providers=("cpu",), time_budget_s=3.0), Silent())
        seconds = {}
        for name in ("finetune", "quantize"):
            begun = time.monotonic()
            assert run(*COMMANDS[name]).code == 0
            seconds[name] = time.monotonic() - begun
    return root, {"export": seconds["finetune"], "bench": seconds["quantize"], **seconds}


@pytest.fixture
def finished(template: tuple[Path, dict[str, float]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder with a copy of the finished run."""
    monkeypatch.setenv("EDGETL_CACHE", str(template[0] / "cache"))
    for name in ("runs", "photos"):
        shutil.copytree(template[0] / name, Path.cwd() / name, symlinks=True)
    return Path.cwd()


def interrupted(name: str, after: float, number: signal.Signals) -> Said | None:
    """Return how a command ended by a signal after so many seconds; None if it was done before.

    Its workers, which a command cleans up before it ends, must be gone then; those of a killed one soon.
    """
    mark = uuid.uuid4().hex
    process = start(*COMMANDS[name], env={MARK: mark})
    time.sleep(after)
    if process.poll() is not None:
        process.communicate()
        return None
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    deadline = time.monotonic() + (30 if number is signal.SIGKILL else 0)
    while (left := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == [], "no process is left behind"
    return Said(process.returncode, out, err)


def _marked(mark: str) -> list[list[str]]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.cmdline())
        except psutil.Error:
            continue
    return found


def whole(folder: Path) -> None:
    """Load every artifact of the run, each checked against the hashes of its files."""
    runs.finetuned(folder)
    runs.exported(folder)
    runs.quantized(folder)
    BenchResult.load(folder)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        *((name, signal.SIGINT) for name in COMMANDS),
        *((name, signal.SIGTERM) for name in ("export", "bench")),
        *((name, signal.SIGKILL) for name in ("quantize", "bench")),
    ],
)
def test_a_signal_at_any_moment(
    template: tuple[Path, dict[str, float]], finished: Path, name: str, number: signal.Signals
) -> None:
    before = contents(RUN)
    for moment in MOMENTS if number is signal.SIGINT else MOMENTS[1:2]:
        said = interrupted(name, moment * template[1][name], number)
        whole(RUN)
        # Once the result is printed nothing is left to interrupt but Python's own end.
        if said is None or said.out:
            break
        if said.code != 0:
            assert said.code == CODES[number], said
            after = {path: content for path, content in contents(RUN).items() if not Path(path).name.startswith(".")}
            changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
            # On a machine that is faster than a moment ago the new result may be there already, and only not yet said.
            done = name == "finetune" and "finetune.json" in changed and changed <= FINETUNED
            assert not changed or done, f"what was finished before is kept: {changed}"
        if number is not signal.SIGKILL and said.code != 0:
            assert said.error.startswith("Interrupted."), said.err
            assert list(RUN.rglob(".*")) == [], "no half-written file is left"


def test_the_same_command_finishes_after_an_interruption(
    template: tuple[Path, dict[str, float]], finished: Path
) -> None:
    (RUN / "quantize.json").unlink()
    interrupted("quantize", 0.8 * template[1]["quantize"], signal.SIGKILL)
    said = run(*COMMANDS["quantize"], "--json")
    assert said.code == 0, said.err
    assert all(candidate["reason"] for candidate in said.json["candidates"])
    whole(RUN)


def test_an_interruption_is_one_object_in_json(finished: Path) -> None:
    process = start("quantize", "--json")
    # Its first worker: from then on the stage is at work, however slow the machine.
    while not psutil.Process(process.pid).children():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    said = Said(process.returncode, out, err)
    assert said.code == 130
    assert said.json["error"] == {"message": said.error, "exit_code": 130, "docs": None}
