from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgetl.device.wire import MAX_HEADER_BYTES, Message, WireError, arrays_of, read_message, with_arrays, write_message
from edgetl.device.worker import serve


def framed(message: Message) -> bytes:
    stream = io.BytesIO()
    write_message(stream, message)
    return stream.getvalue()


def replies(request: bytes) -> list[Message]:
    sink = io.BytesIO()
    serve(io.BytesIO(request), sink)
    sink.seek(0)
    return list(iter(lambda: read_message(sink), None))


@given(st.dictionaries(st.text(max_size=9).filter(lambda k: k != "payload"), st.text()), st.lists(st.binary()))
def test_what_is_written_is_read(header: dict[str, str], payload: list[bytes]) -> None:
    message = Message(header, tuple(payload))
    stream = io.BytesIO(framed(message) * 2)
    assert read_message(stream) == message
    assert read_message(stream) == message
    assert read_message(stream) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
@pytest.mark.parametrize("shape", [(2, 3), (0, 4), (), (1, 2, 3, 4)])
def test_arrays_arrive_as_they_were(dtype: type, shape: tuple[int, ...]) -> None:
    array = (np.arange(np.prod(shape, dtype=int)) * 7).astype(dtype).reshape(shape)
    sent = np.asfortranarray(array)
    (received,) = arrays_of(read_message(io.BytesIO(framed(with_arrays({"op": "x"}, sent)))))  # type: ignore[arg-type]
    assert received.dtype == array.dtype
    np.testing.assert_array_equal(received, array)


@given(st.integers(0, 200))
def test_a_stream_that_ends_early_is_its_end(cut: int) -> None:
    whole = framed(with_arrays({"op": "x"}, np.arange(10, dtype=np.int64)))
    assert read_message(io.BytesIO(whole[: min(cut, len(whole) - 1)])) is None


def test_a_promise_of_much_takes_no_memory() -> None:
    assert read_message(io.BytesIO(b'{"payload":[2000000000]}\nshort')) is None


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"[]\n",
        b"nonsense\n",
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b'{"payload": 3}\n',
        b'{"payload": [-1]}\n',
        b'{"payload": [true]}\n',
        b'{"payload": [99999999999]}\n',
        b'{"x": "' + b"a" * (2 * MAX_HEADER_BYTES) + b'"}\n',
    ],
)
def test_after_a_bad_header_the_next_message_is_understood(line: bytes) -> None:
    stream = io.BytesIO(line + framed(Message({"op": "hello"})))
    with pytest.raises(WireError):
        read_message(stream)
    assert read_message(stream) == Message({"op": "hello"})


ARRAY = {"shape": [2], "dtype": "uint8"}


@pytest.mark.parametrize(
    "described",
    [
        None,
        [],
        [ARRAY, ARRAY],
        [3],
        [{**ARRAY, "shape": [3]}],
        [{**ARRAY, "shape": [-2]}],
        [{**ARRAY, "shape": [2] + [1] * 9}],
        [{**ARRAY, "dtype": "object"}],
        [{**ARRAY, "dtype": ["uint8"]}],
        [{**ARRAY, "dtype": "float32"}],
    ],
)
def test_an_array_that_is_not_what_it_says_is_refused(described: Any) -> None:
    with pytest.raises(WireError):
        arrays_of(Message({"arrays": described}, (b"ab",)))


OPS = st.sampled_from(
    ["hello", "has", "put", "load", "unload", "pixels", "logits", "time", "end_to_end", "memory", "x", None, 3, []]
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(["sha256", "suffix", "spec", "count", "preprocess", "arrays", "cores"])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(OPS, st.dictionaries(FIELDS, JUNK, max_size=4), st.lists(st.binary(max_size=9), max_size=2)),
        max_size=5,
    )
)
def test_every_request_gets_one_answer_however_silly(requests: list[tuple[Any, dict[str, Any], list[bytes]]]) -> None:
    stream = b"".join(framed(Message({**fields, "op": op}, tuple(payload))) for op, fields, payload in requests)
    answers = replies(stream + framed(Message({"op": "has", "sha256": "0" * 64, "suffix": ".onnx"})))
    assert len(answers) == len(requests) + 1
    assert answers[-1].header == {"has": False}
    for reply in answers:
        if error := reply.header.get("error"):
            assert error["kind"]
            assert "Traceback" not in error["message"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60) | st.just(b"\n") | st.just(b'{"op":"hello"}\n') | st.just(b'{"payload":[5]}\n')))
def test_noise_ends_without_a_traceback(parts: list[bytes]) -> None:
    for reply in replies(b"".join(parts)):
        assert set(reply.header) & {"error", "protocol"}


def test_headers_are_one_line() -> None:
    line = framed(Message({"text": "two\nlines"})).split(b"\n")[0]
    assert json.loads(line)["text"] == "two\nlines"
