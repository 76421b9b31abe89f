from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgetl.device import providers
from edgetl.device.providers import ModelError, ProviderUnavailable, Session
from edgetl.device.timing import time_inference
from edgetl.device.values import SessionSpec


def session(tmp_path: Path, **script: Any) -> Session:
    path = tmp_path / "fake.json"
    path.write_text(json.dumps(script))
    return providers.load(path, SessionSpec("fake", "int8", threads=2))


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)


def test_latencies_are_the_scripts_to_the_nanosecond(tmp_path: Path) -> None:
    fake = session(tmp_path, latency_ns=[10, 20, 31])
    assert time_inference(fake, images(2), 5) == [10, 20, 31, 10, 20]
    assert time_inference(session(tmp_path, latency_ns=[10], per_image=True), images(3), 2) == [30, 30]


def test_another_clock_can_be_given(tmp_path: Path) -> None:
    readings = iter([5, 9, 100, 101])
    assert time_inference(session(tmp_path), images(1), 2, clock=lambda: next(readings)) == [4, 1]


def test_noise_is_of_the_size_asked_for_and_the_same_each_time(tmp_path: Path) -> None:
    script = {"latency_ns": {"median_ns": 1_000_000, "sigma": 0.05, "seed": 3}}
    times = time_inference(session(tmp_path, **script), images(1), 2000)
    assert times == time_inference(session(tmp_path, **script), images(1), 2000)
    assert np.median(times) == pytest.approx(1_000_000, rel=0.01)
    assert np.log(times).std() == pytest.approx(0.05, rel=0.1)


def test_logits_by_content_do_not_depend_on_order_or_batch(tmp_path: Path) -> None:
    fake, pixels = session(tmp_path, classes=5), images(6)
    logits = fake.run(pixels)
    assert logits.shape == (6, 5)
    assert logits.dtype == np.float32
    np.testing.assert_array_equal(fake.run(pixels[::-1]), logits[::-1])
    other = session(tmp_path, classes=5, logits={"by": "hash", "seed": 1}).run(pixels)
    assert not np.array_equal(other, logits)


def test_images_can_be_made_to_have_a_class(tmp_path: Path) -> None:
    pixels = np.stack([np.full((4, 4, 3), value, np.uint8) for value in (0, 100, 255)])
    logits = session(tmp_path, classes=3, logits={"by": "brightness"}).run(pixels)
    assert logits.argmax(1).tolist() == [0, 1, 2]


def test_rows_are_given_in_turn_over_all_runs(tmp_path: Path) -> None:
    fake = session(tmp_path, logits={"by": "index", "rows": [[1, 0], [0, 1], [3, 2]]})
    assert fake.run(images(2)).tolist() == [[1, 0], [0, 1]]
    assert fake.run(images(2)).tolist() == [[3, 2], [1, 0]]


def test_flips_change_the_winner_on_that_share_of_the_images(tmp_path: Path) -> None:
    pixels = images(2000)
    straight = session(tmp_path, classes=3).run(pixels).argmax(1)
    flipped = session(tmp_path, classes=3, flips=0.1).run(pixels).argmax(1)
    assert (straight != flipped).mean() == pytest.approx(0.1, abs=0.03)
    assert ((straight + 1) % 3)[straight != flipped].tolist() == flipped[straight != flipped].tolist()


def test_the_report_is_scripted(tmp_path: Path) -> None:
    report = session(tmp_path, load_ns=7, precision="bf16", placement={"A": 2, "B": 1}).report
    assert (report.load_ns, report.precision, report.placement, report.threads) == (7, "bf16", {"A": 2, "B": 1}, 2)
    assert session(tmp_path).report.precision == "int8"


def test_failures_come_where_they_are_scripted(tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable, match="no board"):
        session(tmp_path, fail={"at": "load", "how": "unavailable", "message": "no board"})
    fake = session(tmp_path, fail={"at": "run", "how": "error", "after": 2})
    fake.run(images(1))
    fake.run(images(1))
    with pytest.raises(ModelError, match="script says so"):
        fake.run(images(1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        '{"clases": 3}',
        '{"latency_ns": {}}',
        '{"logits": {"by": "colour"}}',
        '{"flips": "many"}',
        '{"fail": {"at": "load", "how": "often"}}',
        "\x00\x01",
    ],
)
def test_a_bad_script_is_one_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "fake.json"
    path.write_text(text)
    with pytest.raises(ModelError, match="fake model"):
        providers.load(path, SessionSpec("fake"))
