"""A runner, asked directly and as a process."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgetl.device import ops
from edgetl.device.state import State
from edgetl.device.store import Store
from edgetl.device.values import PROTOCOL, SessionSpec, to_json
from edgetl.device.wire import Message, arrays_of, read_message, with_arrays, write_message
from edgetl.device.worker import answer, serve

IMAGES = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
SCRIPT = json.dumps({"classes": 3, "latency_ns": [100, 300], "input_shape": [None, 4, 4, 3]}).encode()
BLOB = {"sha256": hashlib.sha256(SCRIPT).hexdigest(), "suffix": ".json"}
PUT = Message({"op": "put", **BLOB}, (SCRIPT,))
LOAD = Message({"op": "load", **BLOB, "spec": to_json(SessionSpec("fake"))})
PREPROCESS = {"resize": 4, "crop": 4, "interpolation": "bilinear", "mean": [0, 0, 0], "std": [1, 1, 1]}


def photo() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (9, 7)).save(file, "PNG")
    return file.getvalue()


def conversation(*requests: Message) -> list[Message]:
    source, sink = io.BytesIO(), io.BytesIO()
    for request in requests:
        write_message(source, request)
    source.seek(0)
    serve(source, sink)
    sink.seek(0)
    return list(iter(lambda: read_message(sink), None))


def test_a_model_is_put_loaded_run_timed_and_dropped() -> None:
    _, put, has, report, logits, _, times, more, end_to_end, memory, _, refused, _ = conversation(
        Message({"op": "hello"}),
        PUT,
        Message({"op": "has", **BLOB}),
        LOAD,
        with_arrays({"op": "logits"}, IMAGES),
        with_arrays({"op": "pixels"}, IMAGES),
        Message({"op": "time", "count": 3}),
        Message({"op": "time", "count": 1}),
        Message({"op": "end_to_end", "count": 2, "preprocess": PREPROCESS}, (photo(),)),
        Message({"op": "memory"}),
        Message({"op": "unload"}),
        Message({"op": "time", "count": 1}),
        Message({"op": "bye"}),
        Message({"op": "hello"}),
    )
    assert put.header == {}
    assert has.header == {"has": True}
    assert report.header["engine"] == "fake"
    assert arrays_of(logits)[0].shape == (2, 3)
    assert arrays_of(times)[0].tolist() == [300, 100, 300]
    assert arrays_of(more)[0].tolist() == [100]
    assert arrays_of(end_to_end)[0].tolist() == [300, 100]
    assert memory.header["peak_rss_bytes"] >= memory.header["rss_before_load_bytes"] > 0
    assert refused.header["error"] == {"kind": "RequestError", "message": "No model is loaded."}


REFUSALS: dict[str, tuple[list[Message], str, str]] = {
    "unknown op": ([Message({"op": "lode"})], "RequestError", "There is no op 'lode'"),
    "nothing loaded": ([with_arrays({"op": "logits"}, IMAGES)], "RequestError", "No model is loaded"),
    "nothing put": ([LOAD], "RequestError", "was put"),
    "damaged blob": ([Message({"op": "put", **BLOB}, (b"x",))], "StoreError", "damaged"),
    "path escape": ([Message({"op": "has", "sha256": "../x", "suffix": ".onnx"})], "StoreError", "64 hex"),
    "no images to time": ([PUT, LOAD, Message({"op": "time", "count": 1})], "RequestError", "send 'pixels' first"),
    "count of zero": (
        [PUT, LOAD, with_arrays({"op": "pixels"}, IMAGES), Message({"op": "time", "count": 0})],
        "RequestError",
        "'count'",
    ),
    "other image size": (
        [PUT, LOAD, with_arrays({"op": "logits"}, IMAGES[:, :3])],
        "ModelError",
        "takes images of 4 x 4 x 3, not 3 x 4 x 3",
    ),
    "float images": ([PUT, LOAD, with_arrays({"op": "logits"}, IMAGES.astype(np.float32))], "RequestError", "uint8"),
    "bad image": (
        [PUT, LOAD, Message({"op": "end_to_end", "count": 1, "preprocess": PREPROCESS}, (b"x",))],
        "ImageError",
        "not an image",
    ),
    "pin to nothing": ([Message({"op": "pin", "cores": []})], "RequestError", "'cores'"),
    "pin to a core that is not there": ([Message({"op": "pin", "cores": [5000]})], "RequestError", "Allowed are"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_says_why_and_the_next_request_is_served(name: str) -> None:
    requests, kind, reason = REFUSALS[name]
    *_, refused, served = conversation(*requests, Message({"op": "has", **BLOB}))
    assert refused.header["error"]["kind"] == kind
    assert reason in refused.header["error"]["message"]
    assert "has" in served.header


def test_a_model_that_fails_to_load_takes_the_place_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise its figures would be taken for the new one's."""
    bad = Message({**LOAD.header, "spec": to_json(SessionSpec("nonsense"))})
    *_, refused, logits = conversation(PUT, LOAD, bad, with_arrays({"op": "logits"}, IMAGES))
    assert refused.header["error"]["kind"] == "ProviderUnavailable"
    assert logits.header["error"]["message"] == "No model is loaded."


def test_whatever_an_op_raises_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(_state: State, _message: Message) -> Message:
        raise MemoryError

    monkeypatch.setattr("edgetl.device.worker.OPS", {**ops.OPS, "memory": explode})
    with Store() as store:
        reply = answer(State(store), Message({"op": "memory"}))
    assert reply.header == {"error": {"kind": "MemoryError", "message": "no message"}}


def test_what_an_engine_prints_is_not_taken_for_an_answer() -> None:
    code = (
        "import os; from edgetl.device import ops, worker; hello = ops.OPS['hello']\n"
        "def noisy(state, message):\n"
        "    print('printed', flush=True); os.write(1, b'written'); return hello(state, message)\n"
        "worker.OPS = {**ops.OPS, 'hello': noisy}; worker.main()"
    )
    result: Any = subprocess.run(
        [sys.executable, "-c", code], input=b'{"op":"hello"}\n', capture_output=True, timeout=60
    )
    assert json.loads(result.stdout)["protocol"] == PROTOCOL
    assert result.stderr == b"printed\nwritten"
    assert result.returncode == 0
