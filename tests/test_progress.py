"""What stages say reaches who watches."""

from __future__ import annotations

from edgetl.progress import Once
from tests.photos import Remarks


def test_what_several_stages_have_to_say_is_said_once() -> None:
    heard = Remarks()
    progress = Once(heard)
    for text in ("This is no Pi.", "A photo is skipped.", "This is no Pi."):
        progress.remark(text)
        progress.step("time", 1, 2)
    assert heard.remarks == ["This is no Pi.", "A photo is skipped."]
    assert heard.steps == [("time", 1, 2)] * 3
