"""Shipping over a real ssh: afterwards each device serves a whole version, the old one or the new one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edgetl.cli import main
from edgetl.device.bundle.manifest import Limits, Machine
from edgetl.device.bundle.opened import Bundle
from edgetl.device.values import SessionSpec
from tests.bundles import HERE, bundle, contents, encoded, summed
from tests.shipping.conftest import Devices
from tests.shipping.proxy import breaking

PADDING = 6_000_000


def ship(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Return the exit code, the rows, and what was said to the user."""
    result = CliRunner().invoke(main, ["ship", *arguments, "--seconds", "1", "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    told = json.loads(result.stdout)
    return result.exit_code, told.get("devices", []), told.get("error", {}).get("message", "")


def large(path: Path, number: int) -> Path:
    """Write a bundle of some megabytes."""
    filling = random.Random(number).randbytes(PADDING)
    path.write_bytes(encoded(summed({**contents(latency_ns=[number * 1_000_000]), "records/filling": filling})))
    return path


def version(path: Path) -> str:
    with Bundle(path) as opened:
        return opened.version


def test_a_bundle_is_verified_there_and_becomes_the_current_version(devices: Devices, tmp_path: Path) -> None:
    first, second = (bundle(tmp_path / f"{n}.pyz", latency_ns=[n * 1_000_000]) for n in (1, 2))
    where = (devices.address(), "--python", devices.python)
    code, (row,), _ = ship(str(first), *where)
    assert (code, row["status"], row["version"]) == (0, "shipped", version(first))
    assert "p50 1.00 ms" in row["reason"]
    assert devices.serves() == version(first)
    assert ship(str(first), *where)[1][0]["status"] == "unchanged"
    assert ship(str(second), *where)[1][0]["version"] == devices.serves() == version(second)
    code, (row,), _ = ship("--rollback", *where)
    assert (code, row["status"], row["version"]) == (0, "rolled back", version(first))
    assert devices.serves() == version(first)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"logits": {"by": "hash"}}, "of their spread, where it was"),
        ({"limits": Limits(latency_p50_ms=0.5)}, "at most 0.5 are allowed"),
        ({"limits": Limits(memory_mb=1)}, "MB of memory"),
        ({"fail": {"at": "load", "how": "error", "message": "no such operator"}}, "no such operator"),
        ({"fail": {"at": "run", "how": "exit"}}, "did not verify there"),
        ({"machine": Machine("riscv")}, "the bundle is for riscv"),
        ({"machine": Machine(HERE.architecture, ("nonesuch",))}, "lacks nonesuch"),
        ({"spec": SessionSpec("openvino-ep", "int8")}, "python3 -m pip install onnxruntime-openvino"),
    ],
)
def test_a_version_that_is_not_as_it_should_be_leaves_the_old_one(
    devices: Devices, tmp_path: Path, given: dict[str, Any], why: str
) -> None:
    where = (devices.address(), "--python", devices.python)
    good, bad = bundle(tmp_path / "good.pyz"), bundle(tmp_path / "bad.pyz", name="bad", **given)
    assert ship(str(good), *where)[0] == 0
    code, (row,), _ = ship(str(bad), *where)
    assert (code, row["status"], row["version"]) == (1, "failed", version(good))
    assert why in row["reason"]
    assert devices.serves() == version(good)
    assert [path.name for path in (devices.root() / "versions").iterdir()] == [version(good)]


def test_the_last_versions_are_kept(devices: Devices, tmp_path: Path) -> None:
    where = (devices.address(), "--python", devices.python, "--keep", "2")
    paths = [bundle(tmp_path / f"{n}.pyz", latency_ns=[n * 1_000_000]) for n in range(1, 4)]
    for path in paths:
        assert ship(str(path), *where)[0] == 0
    kept = {path.name for path in (devices.root() / "versions").iterdir()}
    assert kept == {version(path) for path in paths[1:]}


def test_a_connection_that_breaks_is_made_again_and_the_sending_goes_on(devices: Devices, tmp_path: Path) -> None:
    path = large(tmp_path / "large.pyz", 1)
    port = int(devices.addresses[0].rpartition(":")[2])
    with breaking(port, [2_000_000, 3_000_000, None]) as broken:
        address = devices.address().replace(f":{port}", f":{broken}")
        code, (row,), _ = ship(str(path), address, "--python", devices.python)
    assert (code, row["status"]) == (0, "shipped"), row
    assert devices.serves() == version(path)


def test_a_connection_that_breaks_each_time_is_one_row_and_the_next_shipping_goes_on(
    devices: Devices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgetl.shipping.device.PAUSE_S", 0.05)
    old, path = bundle(tmp_path / "old.pyz"), large(tmp_path / "large.pyz", 2)
    where = ("--python", devices.python)
    assert ship(str(old), devices.address(), *where)[0] == 0
    port = int(devices.addresses[0].rpartition(":")[2])
    with breaking(port, [1_000_000] * 9) as broken:
        code, (row,), _ = ship(str(path), devices.address().replace(f":{port}", f":{broken}"), *where)
    assert (code, row["status"], row["version"]) == (3, "unreachable", version(old))
    assert "lost" in row["reason"]
    assert devices.serves() == version(old)
    (part,) = (devices.root() / "incoming").iterdir()
    assert part.stat().st_size > 1_000_000, "what arrived is kept"
    assert ship(str(path), devices.address(), *where)[0] == 0
    assert devices.serves() == version(path)


def test_a_device_that_is_off_or_does_not_know_us_is_one_clear_row(devices: Devices, tmp_path: Path) -> None:
    path = bundle(tmp_path / "x.pyz")
    off = devices.address().replace(devices.addresses[0].rpartition(":")[2], "1")
    code, (row,), _ = ship(str(path), off)
    assert (code, row["status"]) == (3, "unreachable")
    assert "Connection refused" in row["reason"]
    (tmp_path / "ssh" / "authorized_keys").write_text("")
    assert "Permission denied" in ship(str(path), devices.address())[1][0]["reason"]
    (tmp_path / "ssh" / "known_hosts").write_text("")
    assert "Host key verification failed" in ship(str(path), devices.address())[1][0]["reason"]


def test_a_python_without_numpy_is_one_clear_row(devices: Devices, tmp_path: Path) -> None:
    python = tmp_path / "bare"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E "$@"\n')
    python.chmod(0o755)
    (row,) = ship(str(bundle(tmp_path / "x.pyz")), devices.address(), "--python", str(python))[1]
    assert (row["status"], row["reason"]) == (
        "unreachable",
        "its Python lacks numpy. There: python3 -m pip install numpy pillow",
    )


def test_a_full_disk_keeps_the_old_version(devices: Devices, tmp_path: Path) -> None:
    root = devices.root()
    root.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs", str(root)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        where = (devices.address(), "--python", devices.python)
        old, new = bundle(tmp_path / "old.pyz"), large(tmp_path / "new.pyz", 1)
        assert ship(str(old), *where)[0] == 0
        code, (row,), _ = ship(str(new), *where)
        assert (code, row["status"]) == (1, "failed")
        assert "disk is full" in row["reason"]
        # One that fills up meanwhile, which was not seen beforehand.
        with (root / "filling").open("wb") as filling:
            filling.write(bytes(4_000_000))
        import edgetl.shipping.device as delivery

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(delivery, "_ROOM", -100)
            assert "disk is full" in ship(str(new), *where)[1][0]["reason"]
        assert devices.serves() == version(old)
        assert [path.name for path in (root / "versions").iterdir()] == [version(old)]
    finally:
        subprocess.run(["umount", str(root)], check=True)


def fleet(devices: Devices, folder: Path, **more: Any) -> Path:
    path = folder / "fleet.toml"
    head = "".join(f"{key} = {json.dumps(value)}\n" for key, value in {"python": devices.python, **more}.items())
    path.write_text(
        head + "".join(f'[[devices]]\nhost = "{devices.address(index)}"\n' for index in range(len(devices.addresses)))
    )
    return path


def test_a_fleet_gets_a_version_and_a_second_time_there_is_nothing_to_do(devices: Devices, tmp_path: Path) -> None:
    path = bundle(tmp_path / "x.pyz")
    listed = fleet(devices, tmp_path, waves=["1", "40%", "100%"], parallel=2)
    code, rows, _ = ship(str(path), "--fleet", str(listed))
    assert (code, [row["status"] for row in rows]) == (0, ["shipped"] * 5)
    assert [devices.serves(index) for index in range(5)] == [version(path)] * 5
    assert [row["status"] for row in ship(str(path), "--fleet", str(listed))[1]] == ["unchanged"] * 5


def test_a_canary_that_fails_spares_the_others(devices: Devices, tmp_path: Path) -> None:
    listed = fleet(devices, tmp_path)
    good = bundle(tmp_path / "good.pyz")
    assert ship(str(good), "--fleet", str(listed))[0] == 0
    code, rows, _ = ship(str(bundle(tmp_path / "bad.pyz", logits={"by": "hash"})), "--fleet", str(listed))
    assert code == 1
    assert [row["status"] for row in rows] == ["failed"] + ["skipped"] * 4
    assert "not begun" in rows[1]["reason"]
    assert {devices.serves(index) for index in range(5)} == {version(good)}


def test_a_device_that_is_off_in_a_later_wave_stops_the_rest_and_again_finishes_the_job(
    devices: Devices, tmp_path: Path
) -> None:
    path, port = bundle(tmp_path / "x.pyz"), devices.addresses[2].rpartition(":")[2]
    listed = fleet(devices, tmp_path, waves=["1", "3", "100%"])
    whole = listed.read_text()
    listed.write_text(whole.replace(f":{port}/", ":1/"))
    code, rows, _ = ship(str(path), "--fleet", str(listed))
    assert (code, [row["status"] for row in rows]) == (
        3,
        ["shipped", "shipped", "unreachable", "skipped", "skipped"],
    )
    listed.write_text(whole)
    code, rows, _ = ship(str(path), "--fleet", str(listed))
    assert (code, [row["status"] for row in rows]) == (0, ["unchanged"] * 2 + ["shipped"] * 3)


def test_a_shipper_that_is_killed_at_any_moment_leaves_a_whole_version_and_again_finishes_the_job(
    devices: Devices, tmp_path: Path
) -> None:
    paths = [large(tmp_path / f"{n}.pyz", n) for n in (1, 2)]
    versions = [version(path) for path in paths]
    where = (devices.address(), "--python", devices.python)
    started = time.monotonic()
    assert ship(str(paths[0]), *where)[0] == 0
    usual = time.monotonic() - started
    moments = random.Random(5)
    for attempt in range(20):
        wanted = paths[(attempt + 1) % 2]
        command = [sys.executable, "-m", "edgetl", "ship", str(wanted), *where, "--seconds", "1", "--keep", "1"]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=dict(os.environ)
        )
        time.sleep(moments.uniform(0.2, 1.3 * usual + 1.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert devices.serves() in versions
        if attempt % 4 == 3:
            assert ship(str(wanted), *where)[0] == 0
            assert devices.serves() == version(wanted)


def test_ctrl_c_is_one_sentence_and_leaves_a_whole_version(devices: Devices, tmp_path: Path) -> None:
    old, new = bundle(tmp_path / "old.pyz"), large(tmp_path / "new.pyz", 1)
    where = (devices.address(), "--python", devices.python)
    assert ship(str(old), *where)[0] == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "edgetl", "ship", str(new), *where],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    # Verifying alone takes three seconds.
    assert process.returncode == 130
    assert "the same command goes on from there" in said
    assert "Traceback" not in said
    assert devices.serves() == version(old)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("x.pyz",), "either by addresses"),
        ((), "Name the bundle"),
        (("x.pyz", "line-1"), "no address of a device"),
        (("x.pyz", "ssh://line-1"), "does not say where versions go"),
        (("missing.pyz", "ssh://line-1/opt/x"), "There is no bundle missing.pyz"),
    ],
)
def test_bad_input_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    code, rows, said = ship(*arguments)
    assert (code, rows) == (2, [])
    assert sentence in said


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "devices"),
        ("devices = []", "devices"),
        ('[[devices]]\nhost = "ssh://a"', "has no 'path'"),
        ('path = "/x"\n[[devices]]\nhots = "ssh://a"', "unknown key"),
        ('path = "/x"\nwaves = ["some"]\n[[devices]]\nhost = "ssh://a"', "a wave is"),
        ('path = "/x"\n[[devices]]\nhost = "ssh://a"\n[[devices]]\nhost = "ssh://a"', "listed twice"),
        ("path = ", "TOML"),
    ],
)
def test_a_fleet_that_makes_no_sense_is_refused_before_anything_is_sent(
    tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(text)
    code, rows, said = ship(str(bundle(tmp_path / "x.pyz")), "--fleet", str(path))
    assert (code, rows) == (2, [])
    assert sentence in said
