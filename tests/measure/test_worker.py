"""The host's side: real processes, most of them with the scripted engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgetl.device.values import PROTOCOL, Preprocess, SessionSpec
from edgetl.environments.local import local_command
from edgetl.errors import WorkerError
from edgetl.measure.worker import Worker

FAKE = SessionSpec("fake")
IMAGES = np.random.default_rng(0).integers(0, 256, (21, 4, 4, 3), dtype=np.uint8)

Script = Callable[..., Path]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    def write(**keys: Any) -> Path:
        path = tmp_path / f"model-{len(list(tmp_path.iterdir()))}.json"
        path.write_text(json.dumps(keys))
        return path

    return write


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", textwrap.dedent(code))


def gone(pid: int, within_s: float = 10.0) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_worker_does_all_it_is_asked(script: Script, tmp_path: Path) -> None:
    with Worker(local_command()) as worker:
        assert worker.hello.cores >= 1
        assert worker.start_ns > 0
        report = worker.load(script(classes=3, latency_ns=[5, 7], load_ns=11), FAKE)
        assert (report.engine, report.load_ns, report.input_shape) == ("fake", 11, (None, None, None, 3))
        worker.set_input(IMAGES[:1])
        assert worker.time(3) == (5, 7, 5)
        assert worker.peak_rss_bytes() >= worker.rss_before_load_bytes() > 1_000_000
        assert worker.load(script(latency_ns=[9]), FAKE).engine == "fake"
        worker.set_input(IMAGES[:1])
        assert worker.time(1) == (9,)


def test_logits_do_not_depend_on_how_many_are_sent_at_once(script: Script) -> None:
    with Worker(local_command()) as worker:
        worker.load(script(classes=3), FAKE)
        whole = worker.logits(IMAGES, batch=100)
        assert whole.shape == (21, 3)
        assert whole.dtype == np.float32
        np.testing.assert_array_equal(worker.logits(IMAGES, batch=4), whole)
        np.testing.assert_array_equal(worker.logits(IMAGES[::-1], batch=1), whole[::-1])


def test_end_to_end_takes_the_images_in_turn(script: Script, tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(IMAGES[0]).save(tmp_path / "x.png")
    with Worker(local_command()) as worker:
        worker.load(script(latency_ns=[5, 7]), FAKE)
        encoded = [(tmp_path / "x.png").read_bytes()]
        assert worker.end_to_end(encoded, Preprocess(4, 4), 3) == (5, 7, 5)
        with pytest.raises(WorkerError, match="not an image") as caught:
            worker.end_to_end([*encoded, b"junk"], Preprocess(4, 4), 3)
        assert caught.value.kind == "ImageError"


def test_a_refusal_has_the_runners_kind_and_sentence_and_the_worker_lives_on(script: Script) -> None:
    with Worker(local_command()) as worker:
        with pytest.raises(WorkerError, match=r"^No such board\.$") as caught:
            worker.load(script(fail={"at": "load", "how": "unavailable", "message": "No such board."}), FAKE)
        assert caught.value.kind == "ProviderUnavailable"
        worker.load(script(), FAKE)


@pytest.mark.parametrize("at", ["load", "run"])
def test_a_worker_that_dies_is_told_with_its_last_words(at: str, script: Script) -> None:
    with Worker(local_command()) as worker:
        with pytest.raises(WorkerError, match=r"(?s)exit code 70 during.*Segmentation, sort of") as caught:
            worker.load(script(fail={"at": at, "how": "exit", "message": "Segmentation, sort of"}), FAKE)
            worker.logits(IMAGES)
        assert caught.value.kind == "Died"
        with pytest.raises(WorkerError, match="closed"):
            worker.time(1)


def test_a_worker_that_is_killed_is_told(script: Script) -> None:
    with Worker(local_command()) as worker:
        os.kill(worker._process.pid, signal.SIGKILL)
        with pytest.raises(WorkerError, match=r"killed by SIGKILL.*out of memory") as caught:
            worker.load(script(), FAKE)
        assert caught.value.kind == "Died"


def test_a_worker_that_hangs_is_killed_and_told(script: Script) -> None:
    with Worker(local_command(), timeout_s=3.0) as worker:
        worker.load(script(fail={"at": "run", "how": "hang", "message": "Waiting for the moon"}), FAKE)
        worker.set_input(IMAGES[:1])
        with pytest.raises(WorkerError, match=r"(?s)did not answer 'time' within 3 s.*moon") as caught:
            worker.time(1)
        assert caught.value.kind == "Timeout"
        assert gone(worker._process.pid)


def test_a_worker_that_does_not_read_is_killed_too() -> None:
    """The request is larger than a pipe holds, so that the host blocks in writing."""
    code = """
        import sys, time
        from edgetl.device.ops import hello
        from edgetl.device.wire import write_message
        sys.stdin.buffer.readline()
        write_message(sys.stdout.buffer, hello(None, None))
        time.sleep(600)
    """
    with Worker(python(code), timeout_s=3.0) as worker:
        with pytest.raises(WorkerError, match="did not answer 'pixels'") as caught:
            worker.set_input(np.zeros((40, 224, 224, 3), np.uint8))
        assert caught.value.kind == "Timeout"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import nonsense_that_is_not_there", "(?s)exit code 1.*No module named 'nonsense_that_is_not_there'"),
        ("pass", "ended with exit code 0 during 'hello'. It said nothing"),
        ("print('Welcome to my shell', flush=True); input(); input()", "does not speak the runner's protocol"),
        ("print('{\"protocol\": 99}', flush=True); input(); input()", "speaks protocol 99.*same version"),
    ],
)
def test_a_command_that_is_no_runner_is_told(code: str, reason: str) -> None:
    with pytest.raises(WorkerError, match=reason):
        Worker(python(code), timeout_s=20.0)


def test_a_command_that_does_not_exist_is_told() -> None:
    with pytest.raises(WorkerError, match="Cannot start a worker with '/no/such/python': No such file"):
        Worker(["/no/such/python", "-m", "edgetl.device"])


def test_leaving_ends_the_process_and_removes_its_folder(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    with Worker(local_command(), env={**os.environ, "TMPDIR": str(folder)}) as worker:
        worker.load(script(), FAKE)
        assert list(folder.iterdir())
        pid = worker._process.pid
    assert gone(pid, 0.1)
    assert not list(folder.iterdir())
    worker.close()


def interrupted(code: str) -> int:
    """Run code in a process whose Ctrl-C is Python's own; returns the worker's process that it printed."""
    own = "import os, signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    done = subprocess.run(python(own + textwrap.dedent(code)), capture_output=True, text=True, check=False)
    # As Python ends that met Ctrl-C and did not catch it.
    assert done.returncode == -signal.SIGINT, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_signal_while_a_worker_starts_leaves_no_process(number: str) -> None:
    code = f"""
        import subprocess, sys
        from edgetl.measure.worker import Worker

        class Interrupted(subprocess.Popen):
            def __init__(self, *arguments, **settings):
                super().__init__(*arguments, **settings)
                print(self.pid, flush=True)
                os.kill(os.getpid(), signal.{number})

        signal.signal(signal.SIGTERM, signal.default_int_handler)
        subprocess.Popen = Interrupted
        Worker((sys.executable, "-c", "import time; time.sleep(60)"))
    """
    assert gone(interrupted(code), within_s=0.5)


def test_ctrl_c_while_a_worker_ends_leaves_no_process() -> None:
    code = """
        import sys, threading
        from edgetl.measure.worker import Worker

        lingering = "import runpy, time\\ntry: runpy.run_module('edgetl.device', run_name='__main__')"
        worker = Worker((sys.executable, "-c", lingering + "\\nfinally: time.sleep(60)"))
        print(worker._process.pid, flush=True)
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        worker.close()
    """
    assert gone(interrupted(code), within_s=0.5)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for the process in /proc")
def test_a_worker_ends_when_its_host_is_killed() -> None:
    code = """
        import time
        from edgetl.environments.local import local_command
        from edgetl.measure.worker import Worker
        worker = Worker(local_command())
        print(worker._process.pid, flush=True)
        time.sleep(600)
    """
    with subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        pid = int(host.stdout.readline())
        assert not gone(pid, 0.2)
        host.kill()
    assert gone(pid)


def test_a_file_in_the_current_folder_does_not_stand_in_for_a_module() -> None:
    Path("numpy.py").write_text("raise SystemExit('mine')")
    with Worker(local_command()) as worker:
        assert worker.hello.protocol == PROTOCOL


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system cannot pin")
def test_a_pinned_worker_stays_on_its_core() -> None:
    core = min(os.sched_getaffinity(0))
    with Worker(local_command()) as worker:
        assert worker.pin([core])
        for thread in Path(f"/proc/{worker._process.pid}/task").iterdir():
            assert os.sched_getaffinity(int(thread.name)) == {core}


@pytest.mark.engine
@pytest.mark.parametrize("provider", ["cpu", "openvino"])
def test_a_real_engine_behind_the_pipe(provider: str, tmp_path: Path) -> None:
    pytest.importorskip({"cpu": "onnxruntime", "openvino": "openvino"}[provider])
    pytest.importorskip("onnx")
    from tests.device import tiny

    pixels = tiny.images(7)
    with Worker(local_command()) as worker:
        assert worker.load(tiny.save(tmp_path / "m.onnx"), SessionSpec(provider, threads=1)).threads == 1
        np.testing.assert_allclose(worker.logits(pixels, 3), tiny.expected(pixels), rtol=1e-4, atol=1e-3)
        worker.set_input(pixels[:1])
        assert all(duration > 0 for duration in worker.time(4))
