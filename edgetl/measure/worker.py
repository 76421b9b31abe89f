"""The host's side of a runner: start one, ask it things, and never be left waiting.

One process per variant. Several ONNX Runtime sessions in one process disturb each other, since the threads of each keep
spinning after a run: MobileNetV2 read 7.3 ms instead of 2.5 beside seven others. A worker that is not asked anything is
parked in a blocking read, so variants can be timed in turns, each as if it were alone.

A worker is a command line. The same code talks to this interpreter, to one in another environment, to a device behind
ssh, or to an emulator.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Self, cast

import numpy as np
from numpy.typing import NDArray

from edgetl.device.values import PROTOCOL, Energy, Hello, LoadReport, Preprocess, SessionSpec, to_json
from edgetl.device.wire import Message, WireError, arrays_of, read_message, with_arrays, write_message
from edgetl.errors import WorkerError
from edgetl.files import sha256_file
from edgetl.measure.interrupts import interrupts_wait

TIMEOUT_S = 600.0
_STDERR_LINES = 8
_CLOSING_S = 5.0
_SHOWN = 120


class Worker:
    """A runner process and the conversation with it; a context manager that leaves no process behind.

    ``hello`` is its first answer, ``start_ns`` the time from starting the process to that answer. All methods raise
    WorkerError: with the runner's own sentence and ``kind`` (``ProviderUnavailable``, ``ModelError``, ``ImageError``,
    ``RequestError`` ...) when it refused, with kind ``Died`` or ``Timeout`` and the end of its standard error when it
    ended or did not answer within ``timeout_s`` seconds. After those two it is closed.
    """

    def __init__(
        self, command: Sequence[str], *, env: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        self.command = tuple(command)
        self.timeout_s = timeout_s
        self._stderr = cast(IO[bytes], tempfile.TemporaryFile())  # noqa: SIM115 - closed in close()
        start = time.monotonic_ns()
        try:
            self._process = self._started(env)
        except OSError as error:
            self._stderr.close()
            raise WorkerError(
                f"Cannot start a worker with '{self.command[0]}': {error.strerror}.", kind="Died"
            ) from None
        try:
            header = self._ask({"op": "hello"}).header
            self.start_ns = time.monotonic_ns() - start
            if header.get("protocol") != PROTOCOL:
                raise WorkerError(
                    f"The worker '{self._shown()}' speaks protocol {header.get('protocol')}, this program "
                    f"{PROTOCOL}. Install the same version of edgetl on both sides.",
                    kind="Protocol",
                )
            self.hello = Hello.from_json({field.name: header[field.name] for field in dataclasses.fields(Hello)})
        except BaseException:
            self.close()
            raise

    def _started(self, env: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
        process = None
        try:
            # Else Ctrl-C could lose what began: a process that nobody has a name for.
            with interrupts_wait():
                process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._stderr,
                    env=None if env is None else dict(env),
                    # Its own group: Ctrl-C is for the host, and what the worker started can be ended with it.
                    start_new_session=True,
                )
        except KeyboardInterrupt:
            self._stderr.close()
            if process is not None:
                with process:
                    process.kill()
            raise
        return process

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def cores(self) -> int:
        """How many cores it may use, by cgroup and affinity."""
        return self.hello.cores

    def load(self, model: Path, spec: SessionSpec) -> LoadReport:
        """Send the model file unless the worker has it, make a session, and return what really runs."""
        blob = {"sha256": sha256_file(model), "suffix": model.suffix.lower()}
        if not self._ask({"op": "has", **blob}).header["has"]:
            self._ask({"op": "put", **blob}, model.read_bytes())
        report = self._ask({"op": "load", **blob, "spec": to_json(spec)}).header
        return LoadReport.from_json({field.name: report[field.name] for field in dataclasses.fields(LoadReport)})

    def logits(self, pixels: NDArray[np.uint8], batch: int = 16) -> NDArray[np.float32]:
        """Return float32 logits of shape (n, classes) for uint8 pixels of shape (n, h, w, 3).

        ``batch`` is how many are sent at a time, which bounds the worker's memory; ``pixels`` may be a memory map.
        """
        parts = []
        for first in range(0, len(pixels), batch):
            reply = self._send(with_arrays({"op": "logits"}, pixels[first : first + batch]))
            parts.append(self._array(reply))
        if not parts:
            raise ValueError("There are no images to compute logits of.")
        return np.concatenate(parts)

    def set_input(self, pixels: NDArray[np.uint8]) -> None:
        """Set the batch, uint8 of shape (n, h, w, 3), that `time`, `energy` and `throughput` run."""
        self._send(with_arrays({"op": "pixels"}, pixels))

    def time(self, count: int) -> tuple[int, ...]:
        """Return the nanoseconds of each of ``count`` runs of the whole batch, on the session's clock."""
        return tuple(self._array(self._ask({"op": "time", "count": count})).tolist())

    def energy(self, count: int) -> Energy:
        """Return what ``count`` runs of the whole batch consume together, as far as the worker's machine tells.

        Counters move in steps of a millisecond (the processor's) to a tenth of a second (a GPU's), and what the machine
        draws idle is counted too: runs of a second or more in all say most.
        """
        return Energy.from_json(self._ask({"op": "energy", "count": count}).header)

    def throughput(self, streams: int, count: int) -> tuple[int, int]:
        """Return the images that ``streams`` threads run, each the whole batch ``count`` times, and their nanoseconds.

        They start together; the time is the session's clock's from there to the end of the last. A session is prepared
        for so many by its option ``streams``.
        """
        reply = self._ask({"op": "throughput", "streams": streams, "count": count}).header
        return int(reply["images"]), int(reply["ns"])

    def end_to_end(self, encoded: Sequence[bytes], preprocess: Preprocess, count: int) -> tuple[int, ...]:
        """Return the nanoseconds from an encoded image to its class, ``count`` times over the images in turn."""
        reply = self._ask({"op": "end_to_end", "preprocess": to_json(preprocess), "count": count}, *encoded)
        return tuple(self._array(reply).tolist())

    def peak_rss_bytes(self) -> int:
        """Return the most memory that the worker has had resident so far; 0 where its system does not tell."""
        return int(self._ask({"op": "memory"}).header["peak_rss_bytes"])

    def rss_before_load_bytes(self) -> int:
        """Return the memory that the worker had resident before the engine and the model were loaded."""
        return int(self._ask({"op": "memory"}).header["rss_before_load_bytes"])

    def condition(self) -> Mapping[str, Any]:
        """Return the counters and gauges of the worker's machine at this moment: `device.condition.condition`."""
        return self._ask({"op": "condition"}).header

    def pin(self, cores: Sequence[int]) -> bool:
        """Keep the worker on these cores and return whether its system can; do it before `load`."""
        return bool(self._ask({"op": "pin", "cores": list(cores)}).header["pinned"])

    def abandon(self) -> None:
        """End the worker at once, from another thread than the one that talks to it: that one meets a dead worker."""
        self._kill()

    def close(self) -> None:
        """End the worker: by closing its input, then by force. Closing twice does nothing."""
        if self._stderr.closed:
            return
        stdin, stdout = self._streams()
        try:
            with contextlib.suppress(OSError):
                stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_CLOSING_S)
        finally:
            # Also where Ctrl-C ended the waiting.
            self._kill()
            self._process.wait()
            stdout.close()
            self._stderr.close()

    def _ask(self, header: Mapping[str, Any], *payload: bytes) -> Message:
        return self._send(Message(header, payload))

    def _send(self, request: Message) -> Message:
        if self._stderr.closed:
            raise WorkerError("The worker is closed.", kind="Died")
        stdin, stdout = self._streams()
        reply: Message | None = None
        with self._deadline() as expired:
            try:
                write_message(stdin, request)
                reply = read_message(stdout)
            except OSError:
                pass  # it no longer reads: told below, like one that no longer writes
            except WireError as error:
                self._kill()
                raise self._dead("Died", f"does not speak the runner's protocol ({error})") from None
        if reply is None:
            if expired.is_set():
                raise self._dead("Timeout", f"did not answer '{request.header['op']}' within {self.timeout_s:g} s")
            raise self._dead("Died", self._how_it_ended(str(request.header["op"])))
        if refusal := reply.header.get("error"):
            raise WorkerError(str(refusal["message"]), kind=str(refusal["kind"]))
        return reply

    @staticmethod
    def _array(reply: Message) -> NDArray[Any]:
        (array,) = arrays_of(reply)
        return array

    def _streams(self) -> tuple[BinaryIO, BinaryIO]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the process was started without pipes")
        return cast(BinaryIO, stdin), cast(BinaryIO, stdout)

    @contextlib.contextmanager
    def _deadline(self) -> Iterator[threading.Event]:
        """Kill the worker when the block takes too long: its end wakes a blocked write as well as a read."""
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._kill()

        timer = threading.Timer(self.timeout_s, expire)
        timer.daemon = True
        timer.start()
        try:
            yield expired
        finally:
            timer.cancel()

    def _kill(self) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _how_it_ended(self, op: str) -> str:
        try:
            code = self._process.wait(_CLOSING_S)
        except subprocess.TimeoutExpired:
            return f"closed its output during '{op}'"
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        memory = " (out of memory, perhaps)" if code == -signal.SIGKILL else ""
        return f"{how}{memory} during '{op}'"

    def _shown(self) -> str:
        """Return the command line for a sentence: one that carries the runner along is long."""
        return textwrap.shorten(" ".join(self.command), _SHOWN, placeholder=" ...")

    def _dead(self, kind: str, what: str) -> WorkerError:
        """Return the error that tells how the worker ended and what it last said, and close it."""
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").splitlines()[-_STDERR_LINES:]
        said = "It said nothing." if not lines else "Its last words:\n" + "\n".join(f"  {line}" for line in lines)
        self.close()
        return WorkerError(f"The worker '{self._shown()}' {what}. {said}", kind=kind, said=lines)
