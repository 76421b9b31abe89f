"""A real ssh server on the loopback for tests, and an `ssh` that knows its key."""

from __future__ import annotations

import contextlib
import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests import installed


def require() -> Path:
    """Return where sshd is, installed if need be; skips where it cannot be."""
    installed.require(("sshd", "ssh", "ssh-keygen"), ("openssh-server", "openssh-client"))
    return Path(str(installed.where("sshd")))


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """Yield the address, ``ssh://user@127.0.0.1:port``, of a server that lets a key of ``folder``/bin/ssh in.

    For that, ``folder``/bin must stand first in the PATH.
    """
    with servers(folder, 1) as (address,):
        yield address


@contextlib.contextmanager
def servers(folder: Path, count: int, *, settings: str = "", within: Sequence[str] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the addresses of ``count`` servers, as `server` does; they share a key, by which any port is known.

    ``settings`` are further lines of their configuration, ``within`` is a command that starts another, as unshare does.
    """
    program = require()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized_keys")
    host_key = " ".join((folder / "host.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"device {host_key}\n")
    (folder / "ssh_config").write_text(
        f"IdentityFile {folder}/user\nIdentitiesOnly yes\nUserKnownHostsFile {folder}/known_hosts\n"
        "StrictHostKeyChecking yes\nHostKeyAlias device\n"
    )
    (folder / "bin").mkdir()
    wrapper = folder / "bin" / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh_config "$@"\n')
    wrapper.chmod(0o755)
    # Where it separates privileges; made by the service's start script, which did not run.
    with contextlib.suppress(OSError):
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with contextlib.ExitStack() as running:
        start = (*within, str(program))
        ports = [running.enter_context(_listening(start, folder, index, settings)) for index in range(count)]
        yield tuple(f"ssh://{getpass.getuser()}@127.0.0.1:{port}" for port in ports)


@contextlib.contextmanager
def _listening(start: Sequence[str], folder: Path, index: int, settings: str) -> Iterator[int]:
    """Yield the port of a server of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / f"sshd_config-{index}"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nPasswordAuthentication no\nPermitRootLogin yes\n"
        f"{settings}"
    )
    process = subprocess.Popen([*start, "-D", "-e", "-f", str(config)], stderr=subprocess.PIPE, text=True)
    try:
        _await(port, process)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _await(port: int, process: subprocess.Popen[str]) -> None:
    for _ in range(100):
        if process.poll() is not None:
            pytest.fail(f"sshd ended: {process.stderr.read() if process.stderr else ''}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    pytest.fail("sshd does not listen")
