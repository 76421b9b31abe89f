"""Progress where no terminal is: little is said, but something."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgetl.cli import output


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [100.0]
    monkeypatch.setattr(output.time, "monotonic", lambda: now[0])
    yield now


def test_long_work_is_heard_of_now_and_then(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress() as progress:
        for done in range(101):
            progress.step("features", done, 100)
            clock[0] += 1
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"features: {done} of 100" for done in (20, 40, 60, 80, 100)]


def test_short_work_is_silent(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress() as progress:
        for done in range(101):
            progress.step("features", done, 100)
            clock[0] += 0.1
    assert capsys.readouterr().err == ""
