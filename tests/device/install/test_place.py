"""A device's folder: whatever happens, the current version is a whole one."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgetl.device.bundle.archive import BundleError
from edgetl.device.bundle.opened import Bundle
from edgetl.device.install.place import BUNDLE, CURRENT, INCOMING, InstallError, Place
from tests.bundles import bundle


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def install(place: Place, path: Path) -> str:
    place.append(sha256(path), 0, path.read_bytes())
    version = place.unpack(sha256(path))
    place.switch(version)
    return version


def made(folder: Path, number: int) -> Path:
    return bundle(folder / f"{number}.pyz", latency_ns=[number])


def serves(root: Path) -> str:
    """Return the version that programs find, having looked at every byte of it."""
    path = root / CURRENT / BUNDLE
    with Bundle(path) as opened:
        for name in opened.archive.members:
            assert (root / CURRENT / name).read_bytes() == opened.archive.read(name)
        assert (root / CURRENT).resolve().name == opened.version
        return opened.version


def test_a_bundle_becomes_the_current_version_with_its_members_beside_it(tmp_path: Path) -> None:
    with Place(tmp_path / "root") as place:
        assert place.current is None
        version = install(place, made(tmp_path, 1))
        assert (place.current, place.versions()) == (version, (version,))
    assert serves(tmp_path / "root") == version
    assert list((tmp_path / "root" / INCOMING).iterdir()) == []


def test_what_arrived_is_kept_and_the_sending_can_go_on_behind_it(tmp_path: Path) -> None:
    path = made(tmp_path, 1)
    data, name = path.read_bytes(), sha256(path)
    with Place(tmp_path / "root") as place:
        assert place.arrived(name)[0] == 0
        place.append(name, 0, data[:1000])
    with Place(tmp_path / "root") as place:
        assert place.arrived(name) == (1000, hashlib.sha256(data[:1000]).hexdigest())
        with pytest.raises(InstallError, match="only 1000"):
            place.append(name, 1001, b"x")
        place.append(name, 500, data[500:])
        assert place.unpack(name)


def test_a_bundle_that_arrived_damaged_leaves_nothing_and_can_be_sent_again(tmp_path: Path) -> None:
    path = made(tmp_path, 1)
    with Place(tmp_path / "root") as place:
        place.append(sha256(path), 0, path.read_bytes()[:-1] + b"!")
        with pytest.raises(BundleError, match="did not arrive"):
            place.unpack(sha256(path))
        assert place.versions() == ()
        assert install(place, path) == place.current


def test_what_is_no_bundle_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "junk"
    path.write_bytes(b"junk" * 100)
    with Place(tmp_path / "root") as place:
        place.append(sha256(path), 0, path.read_bytes())
        with pytest.raises(BundleError, match="not an edgetl bundle"):
            place.unpack(sha256(path))
        assert place.versions() == ()
        assert place.arrived(sha256(path))[0] == 0


def test_back_to_the_version_before_and_forth_again(tmp_path: Path) -> None:
    with Place(tmp_path / "root") as place:
        with pytest.raises(InstallError, match="no earlier version"):
            place.previous()
        first, second = (install(place, made(tmp_path, number)) for number in (1, 2))
        assert place.previous() == first
        place.switch(first)
        assert (place.current, place.previous()) == (first, second)
    assert serves(tmp_path / "root") == first


def test_the_last_versions_stay_and_the_current_one_always(tmp_path: Path) -> None:
    with Place(tmp_path / "root") as place:
        versions = [install(place, made(tmp_path, number)) for number in range(1, 5)]
        place.switch(versions[0])
        place.append("0" * 64, 0, b"never finished")
        assert set(place.prune(2)) == {versions[1], versions[2]}
        assert place.arrived("0" * 64)[0] == 0
        assert set(place.versions()) == {versions[0], versions[3]}
        place.discard(versions[0])
        assert place.current == versions[0], "the current version is never removed"


def test_two_do_not_change_a_place_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgetl.device.install.place._WAIT_S", 0.3)
    with Place(tmp_path / "root"), pytest.raises(InstallError, match="under way"):
        Place(tmp_path / "root")


@pytest.mark.parametrize("name", ["", "../../x", "a" * 63, "g" * 64])
def test_a_bundle_is_named_by_a_hash_only(tmp_path: Path, name: str) -> None:
    with Place(tmp_path / "root") as place, pytest.raises(InstallError):
        place.append(name, 0, b"x")


def test_a_process_that_is_killed_at_any_moment_leaves_a_whole_version(tmp_path: Path) -> None:
    root, paths = tmp_path / "root", [made(tmp_path, number) for number in (1, 2)]
    start = time.perf_counter()
    with Place(root) as place:
        install(place, paths[0])
    # Twenty moments are four installations, as fast as this disk is.
    step = (time.perf_counter() - start) / 5
    code = (
        "import hashlib, itertools, pathlib, sys\n"
        "from edgetl.device.install.place import Place\n"
        "place = Place(pathlib.Path(sys.argv[1])); print('ready', flush=True)\n"
        "for path in itertools.cycle(map(pathlib.Path, sys.argv[2:])):\n"
        "    data = path.read_bytes(); name = hashlib.sha256(data).hexdigest()\n"
        "    place.append(name, 0, data); version = place.unpack(name); place.switch(version); place.prune(1)\n"
    )
    seen = set()
    for moment in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(root), *map(str, paths)], stdout=subprocess.PIPE, env=dict(os.environ)
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(step * moment)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        seen.add(serves(root))
    assert len(seen) == 2, "it was killed too early each time to say anything"
    with Place(root) as place:
        assert install(place, paths[0]) == serves(root)
