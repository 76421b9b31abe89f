"""Workers that are elsewhere: what ``--on`` names becomes a command line; the rest cannot tell it from a local one."""

from __future__ import annotations

import re
import shlex
from urllib.parse import urlsplit

from edgetl.environments.carried import start_code
from edgetl.errors import UsageError

CONNECT_S = 15
# Whatever the user's own configuration says: keys only, known hosts only, and no question.
OPTIONS = ("BatchMode=yes", "StrictHostKeyChecking=yes", "PasswordAuthentication=no")
FORM = "Write ssh://user@host[:port][/path/to/python]."
# What may follow `ssh` as a user and a host: nothing that it would take for an option, and no shell in it.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:%-]*")


def worker_command(where: str) -> tuple[str, ...]:
    """Return the command line of a worker at ``where``: ``ssh://[user@]host[:port][/path/to/python]``, or a command.

    Over ssh the runner itself is sent along; the interpreter is ``python3`` unless a path names one. ssh never asks
    for a password (keys only) and refuses unknown hosts. Raises UsageError for an address that is none.
    """
    if not where.startswith("ssh://"):
        command = _split(where)
        if not command:
            raise UsageError("--on needs an address such as ssh://user@host, or a command line that starts a worker.")
        return command
    try:
        parts = urlsplit(where)
        host, user, port = parts.hostname, parts.username, parts.port
    except ValueError as error:
        raise UsageError(f"'{where}' is no address ({error}). {FORM}") from error
    if not host or not _HOST.fullmatch(host) or (user is not None and not _NAME.fullmatch(user)):
        raise UsageError(f"'{where}' names no host. {FORM}")
    if parts.password or parts.query or parts.fragment:
        raise UsageError(f"'{where}' holds more than ssh takes here, where no password is asked for. {FORM}")
    python = parts.path if len(parts.path) > 1 else "python3"
    options = ["-T", *(part for name in (*OPTIONS, f"ConnectTimeout={CONNECT_S}") for part in ("-o", name))]
    at = f"{user}@{host}" if user else host
    # The runner comes with the command, so that a device never has one of another version.
    start = f"{shlex.quote(python)} -c {shlex.quote(start_code())}"
    return ("ssh", *options, *(("-p", str(port)) if port else ()), "--", at, start)


def _split(command: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise UsageError(f"'{command}' cannot be read as a command line: {error}.") from error
