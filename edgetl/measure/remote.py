"""Workers that are elsewhere: what ``--on`` names becomes a command line; the rest cannot tell it from a local one."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

from edgetl.environments.carried import start_code
from edgetl.errors import UsageError

CONNECT_S = 15
# Whatever the user's own configuration says: keys only, known hosts only, and no question. A connection that has
# silently gone is given up after a minute.
OPTIONS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "PasswordAuthentication=no",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
)
SCHEME = "ssh://"
PYTHON = "python3"
FORM = "Write ssh://user@host[:port][/path]."
# What may follow `ssh` as a user and a host: nothing that it would take for an option, and no shell in it.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:%-]*")


@dataclass(frozen=True)
class Address:
    """Where a device is. ``user`` and ``port`` of None are ssh's own choice; ``path`` is what followed, often empty."""

    host: str
    user: str | None
    port: int | None
    path: str

    def __str__(self) -> str:
        """Return the host as it is told, with what distinguishes it from others."""
        at = f"{self.user}@{self.host}" if self.user else self.host
        return f"{at}:{self.port}" if self.port else at


def worker_command(where: str) -> tuple[str, ...]:
    """Return the command line of a worker at ``where``: ``ssh://[user@]host[:port][/path/to/python]``, or a command.

    Over ssh the runner itself is sent along; the interpreter is ``python3`` unless a path names one. Raises UsageError
    for an address that is none.
    """
    if where.startswith(SCHEME):
        there = address(where)
        return over_ssh(there, there.path or PYTHON)
    command = _split(where)
    if not command:
        raise UsageError("--on needs an address such as ssh://user@host, or a command line that starts a worker.")
    return command


def address(where: str) -> Address:
    """Return what an address of the form ``ssh://[user@]host[:port][/path]`` says; raises UsageError for another."""
    if not where.startswith(SCHEME):
        raise UsageError(f"'{where}' is no address of a device. {FORM}")
    try:
        parts = urlsplit(where)
        host, user, port = parts.hostname, parts.username, parts.port
    except ValueError as error:
        raise UsageError(f"'{where}' is no address ({error}). {FORM}") from error
    if not host or not _HOST.fullmatch(host) or (user is not None and not _NAME.fullmatch(user)):
        raise UsageError(f"'{where}' names no host. {FORM}")
    if parts.password or parts.query or parts.fragment:
        raise UsageError(f"'{where}' holds more than ssh takes here, where no password is asked for. {FORM}")
    return Address(host, user, port, parts.path if len(parts.path) > 1 else "")


def over_ssh(there: Address, python: str = PYTHON) -> tuple[str, ...]:
    """Return the command line of a worker on that device, by its interpreter ``python``.

    ssh never asks for a password (keys only) and refuses unknown hosts; all else is as the user configured it.
    """
    options = ["-T", *(part for name in (*OPTIONS, f"ConnectTimeout={CONNECT_S}") for part in ("-o", name))]
    at = f"{there.user}@{there.host}" if there.user else there.host
    # The runner comes with the command, so that a device never has one of another version.
    start = f"{shlex.quote(python)} -c {shlex.quote(start_code())}"
    return ("ssh", *options, *(("-p", str(there.port)) if there.port else ()), "--", at, start)


def _split(command: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise UsageError(f"'{command}' cannot be read as a command line: {error}.") from error
