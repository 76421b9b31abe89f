"""A timed process comes to rest before it answers: what is timed next has the cores to itself."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from edgetl.device import providers, timing
from edgetl.device.timing import come_to_rest
from edgetl.device.values import SessionSpec
from edgetl.environments.local import local_command
from edgetl.measure.worker import Worker
from tests.device import tiny

pytestmark = pytest.mark.usefixtures("every_core")


def test_it_waits_while_another_thread_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / str(threading.get_native_id())).mkdir()
    (tmp_path / str(threading.get_native_id()) / "stat").write_text("1 (python) R 0")
    looks = iter("RRRS")
    monkeypatch.setattr(timing, "LOOK_S", 0.0)
    monkeypatch.setattr(Path, "read_text", lambda path: f"7 (a) R (odd) name) {next(looks)} 0")
    come_to_rest(tmp_path)
    assert list(looks) == []


def test_it_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text("7 (spinning) R 0")
    monkeypatch.setattr(timing, "REST_S", 0.01)
    come_to_rest(tmp_path)


def test_where_the_system_does_not_tell_nothing_is_waited_for(tmp_path: Path) -> None:
    come_to_rest(tmp_path / "none")


@pytest.mark.skipif(not timing.TASKS.is_dir(), reason="a system without /proc")
def test_onnx_runtimes_threads_do_not_spin_on_after_a_run(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    session = providers.load(tiny.save(tmp_path / "m.onnx"), SessionSpec("cpu", threads=2))
    batch = tiny.images(2048)
    used = []
    for _ in range(5):
        session.run(batch)
        before = time.process_time()
        time.sleep(0.08)
        used.append(time.process_time() - before)
    # With its default its pool would use some 50 ms of the processor after each run.
    assert min(used) < 0.02


@pytest.mark.skipif(not timing.TASKS.is_dir(), reason="a system without /proc")
def test_a_worker_answers_when_it_has_come_to_rest(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    spins_long = {"session.intra_op.spin_duration_us": "50000"}
    with Worker(local_command()) as worker:
        worker.load(tiny.save(tmp_path / "m.onnx"), SessionSpec("cpu", threads=2, options=spins_long))
        worker.set_input(tiny.images(2048))
        tasks = Path(f"/proc/{worker._process.pid}/task")
        for _ in range(5):
            worker.time(3)
            states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks.iterdir()]
            # The one that answers may not have gone back to waiting yet.
            assert states.count("R") <= 1
