"""Environments of their own: made whole or not at all, with an interpreter that follows a script, and a real one."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from edgetl import environments
from edgetl.cli import main
from edgetl.device.values import SessionSpec
from edgetl.environments import Made, create
from edgetl.environments.carried import start_code
from edgetl.environments.local import local_command
from edgetl.environments.record import environments_dir
from edgetl.errors import EdgetlError, Interruption, UsageError, WorkerError
from edgetl.measure.worker import Worker
from edgetl.progress import Silent
from tests import environments as real
from tests.measure.test_worker import gone

# An interpreter that makes an environment by copying itself, and does with pip and the check what it was told.
STUB = """\
#!{python} -IS
import json, pathlib, shutil, sys, time

behaviour, log = json.loads({behaviour!r}), pathlib.Path({log!r})
arguments = sys.argv[1:]
step = "venv" if "venv" in arguments else "pip" if "pip" in arguments else "check"
with log.open("a") as file:
    file.write(json.dumps(arguments) + "\\n")
does = behaviour.get(step, {{}})
for line in does.get("says", []):
    print(line, flush=True)
if does.get("hangs"):
    log.with_suffix(".hangs").write_text(str(__import__("os").getpid()))
    time.sleep(600)
if does.get("fails"):
    sys.exit(1)
if step == "venv":
    folder = pathlib.Path(arguments[-1])
    (folder / "bin").mkdir(parents=True)
    shutil.copy(__file__, folder / "bin" / "python")
elif step == "check":
    providers = does.get("providers", ["OpenVINOExecutionProvider", "CUDAExecutionProvider"])
    versions = {{name: "1.2" for name in arguments[arguments.index("-c") + 2 :]}}
    print(json.dumps({{"providers": providers, "python": "3.11.0", "versions": versions}}))
"""


class Remarks(Silent):
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def remark(self, text: str) -> None:
        self.said.append(text)


def stub(tmp_path: Path, **behaviour: Any) -> str:
    path = tmp_path / "stub-python"
    path.write_text(STUB.format(python=sys.executable, behaviour=json.dumps(behaviour), log=str(tmp_path / "stub.log")))
    path.chmod(0o755)
    return str(path)


def calls(tmp_path: Path) -> list[list[str]]:
    return [json.loads(line) for line in (tmp_path / "stub.log").read_text().splitlines()]


def contents() -> list[str]:
    return sorted(path.name for path in environments_dir().iterdir()) if environments_dir().exists() else []


def test_an_environment_is_made_with_pip_checked_and_remembered(tmp_path: Path) -> None:
    remarks = Remarks()
    says = [
        "Collecting onnxruntime-openvino",
        "  Downloading somewhere/onnxruntime_openvino-1.24.1-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (5 kB)",
        "  Downloading onnxruntime_openvino-1.24.1-cp311-cp311-manylinux_2_28_x86_64.whl (80.9 MB)",
        "  Using cached somewhere/numpy-2.0-cp311-cp311-linux_x86_64.whl (9 MB)",
    ]
    made = create("openvino-ep", remarks, python=stub(tmp_path, pip={"says": says}, check={"says": ["Warning: x"]}))
    assert made == environments.made("openvino-ep")
    assert made.folder == environments_dir() / "openvino-ep"
    assert made.interpreter.exists()
    assert made.versions == {"onnxruntime-openvino": "1.2", "numpy": "1.2", "pillow": "1.2"}
    assert contents() == ["openvino-ep"]
    assert remarks.said == [
        "Downloading onnxruntime_openvino-1.24.1-cp311-cp311-manylinux_2_28_x86_64.whl (80.9 MB)",
        "Using cached numpy-2.0-cp311-cp311-linux_x86_64.whl (9 MB)",
    ]
    done = calls(tmp_path)
    assert {"onnxruntime-openvino>=1.24", "numpy>=1.26", "pillow>=10.3"} <= set(done[1])
    assert create("openvino-ep", remarks, python="/no/such/python") == made
    assert calls(tmp_path) == done, "one that is there is not made again"


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ({"venv": {"says": ["ensurepip is not", "available."], "fails": True}}, "ensurepip is not available."),
        (
            {
                "pip": {
                    "says": ["Collecting x", "ERROR: No matching distribution found for x", "[notice] A new release"],
                    "fails": True,
                }
            },
            "Could not install onnxruntime-openvino>=1.24: No matching distribution found for x",
        ),
        (
            {
                "pip": {
                    "says": ["  URLError: <name not known>", "  x.FailedError:", "error: metadata", "note: not pip"],
                    "fails": True,
                }
            },
            ": URLError: <name not known>",
        ),
        ({"pip": {"fails": True}}, "it ended without a word"),
        ({"check": {"says": ["ImportError: libx.so: cannot open"], "fails": True}}, "ImportError: libx.so"),
        ({"check": {"providers": ["CPUExecutionProvider"]}}, "it has no OpenVINOExecutionProvider, but CPUEx"),
    ],
    ids=["venv", "pip", "a build", "pip says nothing", "import", "provider"],
)
def test_a_failure_is_one_sentence_with_the_last_words_and_leaves_nothing(
    behaviour: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(EdgetlError) as told:
        create("openvino-ep", Silent(), python=stub(tmp_path, **behaviour))
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)
    assert told.value.exit_code == 3
    assert contents() == []
    assert environments.made("openvino-ep") is None


def test_an_interpreter_that_does_not_start_is_told() -> None:
    with pytest.raises(EdgetlError, match=r"'/no/such/python' does not start \(No such file"):
        create("cuda", Silent(), python="/no/such/python")


@pytest.mark.parametrize("place", [create, lambda name, _: environments.remove(name)], ids=["create", "remove"])
def test_an_unknown_name_offers_the_nearest(place: Any) -> None:
    with pytest.raises(UsageError, match=r"no environment 'openvino-eq'\. Did you mean 'openvino-ep'\?"):
        place("openvino-eq", Silent())
    with pytest.raises(UsageError):
        place("../escape", Silent())


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGETL_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UsageError, match=r"Cannot write .*\$EDGETL_CACHE"):
        create("cuda", Silent(), python=stub(tmp_path))


def _creating(tmp_path: Path, python: str) -> subprocess.Popen[str]:
    """Return a process that creates an environment, once its pip hangs."""
    code = f"""
        from edgetl.environments import create
        from edgetl.progress import Silent
        try:
            create("cuda", Silent(), python={python!r})
        except KeyboardInterrupt as end:
            print(type(end).__name__, end)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not _hanging(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    return process


def _hanging(tmp_path: Path) -> int | None:
    try:
        return int((tmp_path / "stub.hangs").read_text())
    except (OSError, ValueError):
        return None


def test_ctrl_c_ends_pip_and_leaves_nothing(tmp_path: Path) -> None:
    with _creating(tmp_path, stub(tmp_path, pip={"hangs": True})) as process:
        pip = _hanging(tmp_path)
        assert pip is not None
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert out.startswith("Interruption Interrupted. Nothing of environment 'cuda' was kept")
    assert gone(pid=pip)
    assert contents() == []


def test_a_killed_creation_leaves_nothing_half_and_the_next_one_sweeps(tmp_path: Path) -> None:
    with _creating(tmp_path, stub(tmp_path, pip={"hangs": True})) as process:
        process.kill()
    pip = _hanging(tmp_path)
    assert pip is not None
    assert environments.made("cuda") is None
    (left,) = environments_dir().iterdir()
    hour_ago = time.time() - 3600
    os.utime(left, (hour_ago, hour_ago))
    # Its pip still writes there.
    create("cuda", Silent(), python=stub(tmp_path))
    assert left.exists()
    environments.remove("cuda")
    os.kill(pip, signal.SIGKILL)
    assert gone(pid=pip)
    os.utime(left, (hour_ago, hour_ago))
    create("cuda", Silent(), python=stub(tmp_path))
    assert contents() == ["cuda"]


def test_what_another_process_is_just_making_is_left_alone(tmp_path: Path) -> None:
    young, locked = (environments_dir() / f".unfinished-{name}" for name in ("young", "locked"))
    for folder in (young, locked):
        folder.mkdir(parents=True)
        (folder / "lock").write_bytes(b"")
    os.utime(locked, (0, 0))
    with (locked / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        create("cuda", Silent(), python=stub(tmp_path))
    assert contents() == [".unfinished-locked", ".unfinished-young", "cuda"]


def test_two_creations_at_once_leave_one(tmp_path: Path) -> None:
    python = stub(tmp_path)

    class Faster(Silent):
        """The other process is done while this one checks."""

        def step(self, name: str, done: int, total: int) -> None:
            if done == 3:
                create("cuda", Silent(), python=python)

    assert create("cuda", Faster(), python=python) == environments.made("cuda")
    assert contents() == ["cuda"]


def test_one_whose_python_is_gone_was_not_made_and_is_made_again(tmp_path: Path) -> None:
    made = create("cuda", Silent(), python=stub(tmp_path))
    made.interpreter.unlink()
    made.interpreter.symlink_to("/no/such/python")
    assert environments.made("cuda") is None
    assert environments.command("cuda") == local_command()
    assert create("cuda", Silent(), python=stub(tmp_path)).interpreter.exists()


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"python": "3", "versions": 7}'])
def test_one_without_a_whole_record_was_not_made(record: str) -> None:
    folder = environments_dir() / "cuda"
    folder.mkdir(parents=True)
    (folder / "environment.json").write_text(record)
    assert environments.made("cuda") is None


def test_removing_takes_all_of_it_and_asks_nothing(tmp_path: Path) -> None:
    create("cuda", Silent(), python=stub(tmp_path))
    assert environments.remove("cuda")
    assert contents() == []
    assert not environments.remove("cuda")


def test_a_worker_is_started_where_its_provider_s_engine_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in ("cpu", "openvino", "fake", "openvino-ep", "cuda", "no such"):
        assert environments.command(provider) == local_command()
    made = create("cuda", Silent(), python=stub(tmp_path))
    command = environments.command("cuda")
    assert command == (str(made.interpreter), "-I", "-c", start_code())
    assert environments.command("cpu") == environments.command("openvino-ep") == local_command()
    assert environments.runs_here(command)
    assert environments.runs_here(local_command())
    assert not environments.runs_here(("ssh", "host"))
    monkeypatch.setattr("edgetl.environments.workers._is_installed", lambda distribution: True)
    assert environments.command("cuda") == local_command()
    # Whichever was installed last has overwritten the other.
    monkeypatch.setattr("edgetl.device.machine.clashing_onnxruntimes", lambda: ("onnxruntime", "onnxruntime-gpu"))
    assert environments.command("cuda") == command


def test_the_names_are_those_of_providers_and_the_distributions_those_of_the_requirements() -> None:
    from edgetl.device.providers import PROVIDERS

    assert {name for name in environments.ENVIRONMENTS if not name.startswith("emulate-")} <= set(PROVIDERS)
    assert environments.ENVIRONMENTS["tensorrt"].distributions == ("onnxruntime-gpu", "tensorrt-cu13")


def test_the_code_that_carries_the_runner_fits_into_an_argument() -> None:
    # Linux takes 128 KiB for one.
    assert len(start_code()) < 120_000


def test_any_interpreter_can_run_what_is_carried(tmp_path: Path) -> None:
    Path("numpy.py").write_text("raise SystemExit('mine')")
    model = tmp_path / "m.json"
    model.write_text(json.dumps({"latency_ns": [7]}))
    with Worker((sys.executable, "-I", "-c", start_code())) as worker:
        worker.load(model, SessionSpec("fake"))
        worker.set_input(np.zeros((1, 4, 4, 3), np.uint8))
        assert worker.time(1) == (7,)


def invoke(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_the_command_line_lists_makes_and_removes(tmp_path: Path) -> None:
    code, out, _ = invoke("env", "list", "--json")
    rows = json.loads(out)["environments"]
    assert code == 0
    assert [row["name"] for row in rows] == ["openvino-ep", "cuda", "tensorrt", "emulate-arm64", "emulate-x86-64"]
    assert all(row["versions"] is None for row in rows)
    made: Made = create("cuda", Silent(), python=stub(tmp_path))
    code, out, _ = invoke("env", "create", "cuda", "--json")
    assert (code, json.loads(out)["folder"]) == (0, str(made.folder))
    assert "onnxruntime-gpu 1.2" in invoke("env", "list")[1]
    assert invoke("env", "remove", "cuda")[:2] == (0, "Environment 'cuda' was removed.\n")
    assert invoke("env", "remove", "cuda")[:2] == (0, "There was no environment 'cuda' here.\n")


def test_the_command_line_refuses_with_the_nearest_name() -> None:
    code, _, err = invoke("env", "create", "cude")
    assert (code, "Did you mean 'cuda'?" in err) == (2, True)
    code, _, err = invoke("env", "crate", "cuda")
    assert (code, "Did you mean 'create'?" in err) == (2, True)


def test_an_interruption_is_the_environment_s_own_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise Interruption("Interrupted. Nothing was kept.")

    monkeypatch.setattr("edgetl.environments.create", interrupt)
    code, _, err = invoke("env", "create", "cuda")
    assert (code, err) == (130, "Error: Interrupted. Nothing was kept.\n")


@pytest.mark.engine
@pytest.mark.timeout(400)
def test_openvino_s_provider_runs_beside_the_cpu_s(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real environment, which pip fills: about 100 MB."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from edgetl.measure.placement import mac_share
    from tests.device import tiny

    monkeypatch.setenv("EDGETL_CACHE", str(real.cache(tmp_path_factory, "openvino-ep")))
    ep = "OpenVINOExecutionProvider"
    pixels = tiny.images(3)
    with Worker(environments.command("openvino-ep")) as other, Worker(environments.command("cpu")) as here:
        for quantized in (False, True):
            model = tiny.save(tmp_path / "m.onnx", quantized=quantized)
            precision = "int8" if quantized else "fp32"
            found = other.load(model, SessionSpec("openvino-ep", precision, threads=1))
            beside = here.load(model, SessionSpec("cpu", precision, threads=1))
            assert ep in found.placement
            assert (mac_share(model, found) or {})[ep] == 1.0
            assert set(beside.placement) == {"CPUExecutionProvider"}
            assert found.precision == beside.precision == precision
            np.testing.assert_allclose(other.logits(pixels), here.logits(pixels), atol=2.0)
        model = _with_a_pool_that_openvino_lacks(tmp_path)
        # A version that leaves a convolution to the CPU provider besides is refused; one that does not says all of it.
        try:
            found = other.load(model, SessionSpec("openvino-ep", threads=1))
        except WorkerError as error:
            assert "CPUExecutionProvider" in str(error) and "a silent fallback is never measured" in str(error)
        else:
            assert (mac_share(model, found) or {})[ep] == pytest.approx(1)


def _with_a_pool_that_openvino_lacks(tmp_path: Path) -> Path:
    """Write a model of two convolutions with something in between that OpenVINO 2025.4 leaves to the CPU provider."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Cast", ["image"], ["float"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], name="transpose", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["nchw", "w"], ["a"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("LpPool", ["a"], ["b"], name="pool", kernel_shape=[1, 1]),
        helper.make_node("Conv", ["b", "v"], ["c"], name="second"),
        helper.make_node("Reshape", ["c", "flat"], ["logits"], name="flatten"),
    ]
    constants = {
        "w": np.ones((4, 3, 3, 3), np.float32),
        "v": np.ones((2, 4, 1, 1), np.float32),
        "flat": np.array([0, -1], np.int64),
    }
    graph = helper.make_graph(
        nodes,
        "pool",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 8, 8, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 128])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    path = tmp_path / "pool.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path
