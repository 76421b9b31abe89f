"""Workers elsewhere: a real ssh server, and a machine on which edgetl is not installed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgetl.device.values import SessionSpec
from edgetl.environments.carried import runner
from edgetl.errors import UsageError, WorkerError
from edgetl.measure.remote import worker_command
from edgetl.measure.worker import Worker
from tests import sshd

FAKE = '{"classes": 3, "logits": {"by": "brightness"}, "latency_ns": [1000000]}'


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a real server whose key the `ssh` in the PATH has."""
    with sshd.server(tmp_path / "ssh") as where:
        monkeypatch.setenv("PATH", f"{tmp_path / 'ssh' / 'bin'}:{os.environ['PATH']}")
        yield where


def test_a_worker_behind_ssh_is_like_any_other(address: str, tmp_path: Path) -> None:
    # As on a device: nothing is found in the current folder.
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncd / && exec {sys.executable} -P "$@"\n')
    python.chmod(0o755)
    model = tmp_path / "model.fake"
    model.write_text(FAKE)
    pixels = np.stack([np.full((4, 4, 3), value, np.uint8) for value in (10, 120, 250)])
    with Worker(worker_command(f"{address}{python}")) as worker:
        worker.load(model, SessionSpec("fake"))
        assert worker.logits(pixels).argmax(1).tolist() == [0, 1, 2]
        worker.set_input(pixels[:1])
        assert worker.time(2) == (1_000_000, 1_000_000)


def test_the_runner_that_is_sent_is_whole_and_the_same_each_time(tmp_path: Path) -> None:
    import base64

    archive = tmp_path / "runner.zip"
    archive.write_bytes(base64.b64decode(runner()))
    code = "import edgetl.device.worker as w, edgetl.device.providers.openvino, sys; print(w.__file__)"
    done = subprocess.run(
        [sys.executable, "-P", "-S", "-c", code],
        env={"PYTHONPATH": f"{archive}:{os.pathsep.join(path for path in sys.path if 'site-packages' in path)}"},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.startswith(str(archive))
    assert runner() == runner()


def test_a_server_that_is_not_there_is_one_sentence_without_the_runner_s_code(address: str) -> None:
    gone = address.rpartition(":")[0] + ":1"
    with pytest.raises(WorkerError) as told:
        Worker(worker_command(gone))
    assert "Connection refused" in str(told.value)
    assert len(str(told.value)) < 400


def test_a_key_that_is_not_known_is_refused_and_nothing_is_asked_for(address: str, tmp_path: Path) -> None:
    (tmp_path / "ssh" / "authorized_keys").write_text("")
    with pytest.raises(WorkerError, match="Permission denied"):
        Worker(worker_command(address))


def test_any_command_line_can_be_a_worker() -> None:
    command = worker_command(f"{shlex.quote(sys.executable)} -m edgetl.device")
    assert command == (sys.executable, "-m", "edgetl.device")
    with Worker(command) as worker:
        assert worker.hello.cores >= 1


@pytest.mark.parametrize(
    "where",
    [
        "ssh://",
        "ssh://-oProxyCommand=sh@host",
        "ssh://user@-oProxyCommand=touch",
        "ssh://user:secret@host",
        "ssh://host:notaport",
        "ssh://ho st",
        "ssh://host?x=1",
        "",
        "python 'unclosed",
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_started(where: str) -> None:
    with pytest.raises(UsageError):
        worker_command(where)


def test_a_path_in_the_address_is_the_interpreter_and_cannot_be_more() -> None:
    command = worker_command("ssh://pi@kitchen:2222/opt/my env/bin/python;reboot")
    assert command[:2] == ("ssh", "-T")
    assert command[command.index("-p") + 1] == "2222"
    assert command[command.index("--") + 1] == "pi@kitchen"
    assert shlex.split(command[-1])[0] == "/opt/my env/bin/python;reboot"
