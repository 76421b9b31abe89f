"""A folder in which the commands of the docs run as they are shown: photos, a finished run, models, a device over ssh.

Settings that shorten everything stand in its edgetl.toml, where a reader's would. Devices of any name are a real ssh
server here, which sees empty folders of its own where a device keeps its programs and models.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import torchvision
from PIL import Image

from tests import sshd
from tests.adopt import foreign
from tests.conftest import REPOSITORY
from tests.docs.blocks import Block

CLASSES = ("good", "hole", "scratch")
# A verdict may be any: it rests on a handful of images and on seconds of timing, on whatever machine this is.
VERDICTS = (0, 1, 4)
SETTINGS = """\
weights = "embedded"
epochs = 1
target = "small.toml"

# Two fifths of what `run` has below, which is what it gives to training: so it keeps what finetune did here.
[finetune]
time-budget = "6s"

[run]
time-budget = "15s"

[quantize]
time-budget = "10s"

[bench]
time-budget = "1s"

[check]
time-budget = "1s"

[bundle]
golden = 3

[ship]
seconds = 1
"""
# Two candidates, and budgets that decide nothing.
TARGET = """\
name = "small"
description = "Few candidates"
threads = 1

[machine]
architecture = "{architecture}"

[[candidates]]
provider = "cpu"

[[candidates]]
provider = "cpu"
precision = "int8"
recipe = "u8s8-minmax"

[budgets]
latency_ratio = 100
top1_drop = 0.9
"""
# What the shell of a block does besides: it writes down what failed, and goes on.
PROLOGUE = """\
set -o pipefail
trap 'printf "%s\\t%s\\n" "$?" "$BASH_COMMAND" >> "$DOCS_FAILED"' ERR
"""
# Where a device keeps what edgetl and its owner put there. Only the server's own processes see these.
PLACES = ("/home", "/opt", "/srv")


@dataclass(frozen=True)
class Box:
    """The folder that commands run in, and the programs that stand before others in their PATH."""

    root: Path

    @property
    def work(self) -> Path:
        """Return the folder that commands run in."""
        return self.root / "work"

    def lend(self, environments: Path) -> None:
        """Have the environments of another cache here, so that making one finds it."""
        place = self.root / "cache" / "environments"
        place.unlink(missing_ok=True)
        place.symlink_to(environments / "environments")

    def restore(self) -> None:
        """Make the folder what it was before any page."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.root / "template", self.work, symlinks=True)

    def run(self, script: str, timeout: float = 540) -> list[str]:
        """Run a script and return a line for each command in it that did not end as it should, with what was said."""
        calls, failed = self.root / "calls", self.root / "failed"
        for log in (calls, failed):
            log.write_text("")
        done = subprocess.run(
            ["bash", "-c", PROLOGUE + script],
            cwd=self.work,
            env=self._environment() | {"DOCS_CALLS": str(calls), "DOCS_FAILED": str(failed)},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
        wrong = [line for line in calls.read_text().splitlines() if not _well(*line.split("\t", 1))]
        # edgetl's own exit codes are in the other log, also where something follows them in the same line.
        wrong += [line for line in failed.read_text().splitlines() if "\tedgetl " not in line]
        return [*wrong, done.stdout[-3000:], done.stderr[-3000:]] if wrong else []

    def show(self, block: Block) -> None:
        """Write the file that a block shows."""
        assert block.file is not None
        (self.work / block.file).write_text(block.text)

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("EDGETL", "GITHUB"))}
        path = os.pathsep.join((str(self.root / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]))
        return inherited | {"PATH": path, "PYTHONPATH": str(REPOSITORY), "EDGETL_CACHE": str(self.root / "cache")}


def make(root: Path) -> Box:
    """Return a box in ``root``; its run is trained, exported, quantized, measured and judged."""
    box = Box(root)
    _programs(root / "bin")
    box.work.mkdir()
    _files(box.work)
    foreign.save(box.work / "model.onnx")
    wrong = box.run(
        "edgetl finetune --data photos/ && edgetl export && edgetl quantize && edgetl bench && edgetl check",
        timeout=540,
    )
    assert not wrong, wrong
    # Two models and two bundles, as a gate compares them, and a second run, as a report does.
    wrong = box.run("edgetl bundle --force --out old.pyz && cp old.pyz new.pyz", timeout=300)
    assert not wrong, wrong
    for name in ("old.onnx", "new.onnx"):
        shutil.copy(box.work / "runs" / "latest" / "model.onnx", box.work / name)
    shutil.copytree(box.work / "runs" / "photos-mobilenet_v2", box.work / "runs" / "photos-resnet18")
    box.work.rename(root / "template")
    return box


@contextlib.contextmanager
def device(box: Box) -> Iterator[None]:
    """Have a device answer to whatever name as long as this lasts; skips where there cannot be one."""
    here = (sys.prefix, sys.base_prefix, str(REPOSITORY), str(box.root))
    if hidden := [place for place in PLACES if any(each.startswith(f"{place}/") for each in here)]:
        pytest.skip(f"Python or the tests lie in {hidden[0]}, which the device has one of its own of")
    probe = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/opt"], capture_output=True)
    if probe.returncode:
        pytest.skip("no device with folders of its own can be made here: that takes root (unshare --mount)")
    folder = box.root / "ssh"
    shutil.rmtree(folder, ignore_errors=True)
    python = _device_python(box.root / "device" / "python3")
    own = "".join(f"mount -t tmpfs tmpfs {place} && " for place in PLACES)
    linked = f"mkdir -p /home/pi/edge/bin && ln -s {python} /home/pi/edge/bin/python && "
    within = ("unshare", "--mount", "sh", "-c", f'{own}{linked}exec "$@"', "sh")
    # Its shell is this machine's: with another home it does not read what its owner has set there.
    settings = f"SetEnv PATH={python.parent}:/usr/bin:/bin HOME=/home/pi\n"
    with sshd.servers(folder, 1, settings=settings, within=within) as (address,):
        with (folder / "ssh_config").open("a") as config:
            config.write(f"HostName 127.0.0.1\nPort {address.rpartition(':')[2]}\n")
        _program(box.root / "bin" / "ssh", SSH.format(ssh=folder / "bin" / "ssh"))
        try:
            yield
        finally:
            (box.root / "bin" / "ssh").unlink()


def _well(code: str, command: str) -> bool:
    """Return whether a call of edgetl ended as it should: what judges may judge either way."""
    judges = re.match(r"edgetl (check|run)\b|edgetl verify .*--emulate", command)
    return int(code) in (VERDICTS if judges else (0,))


# A time that a page allows would be used up by a search for its own sake.
EDGETL = """\
for word do
    shift
    [ "$before" = --time-budget ] && word=10s
    set -- "$@" "$word"
    before=$word
done
python -m edgetl "$@"
code=$?
printf "%s\\t%s\\n" "$code" "edgetl $*" >> "$DOCS_CALLS"
exit "$code"
"""
# The device is this machine, whoever it is that a page logs in as, and wherever its server listens.
SSH = """\
for word do
    shift
    case "$drop$word" in
        -p) drop=the- ; continue ;;
        the-*) drop= ; continue ;;
        pi@*) word=${{word#pi@}} ;;
    esac
    set -- "$@" "$word"
done
exec {ssh} "$@"
"""
# Nothing is fetched or installed: that the package has such an extra, or that a wheel is there, is what a page can get
# wrong.
PIP = """
import argparse, sys, tomllib
from pathlib import Path
extras = tomllib.loads(Path({project!r}).read_text())["project"]["optional-dependencies"]
parser = argparse.ArgumentParser()
parser.add_argument("what", choices=("install", "download"))
parser.add_argument("--dest", type=Path)
parser.add_argument("--no-deps", action="store_true")
parser.add_argument("names", nargs="+")
asked = parser.parse_args()
if asked.what == "download":
    asked.dest.mkdir()
    (asked.dest / "edgetl-1-py3-none-any.whl").touch()
for name in asked.names:
    if Path(name).is_file():
        continue
    package, _, rest = name.partition("[")
    unknown = set(rest.rstrip("]").split(",")) - {{"", *extras}}
    assert package == "edgetl" and not unknown, name
"""


def _programs(folder: Path) -> None:
    for name in ("python", "python3"):
        _program(folder / name, f'exec {sys.executable} "$@"\n')
    _program(folder / "edgetl", EDGETL)
    (folder / "pip.py").write_text(PIP.format(project=str(REPOSITORY / "pyproject.toml")))
    _program(folder / "pip", f'exec python {folder}/pip.py "$@"\n')


def _program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return path


def _device_python(path: Path) -> Path:
    """Write an interpreter with an engine, but without edgetl."""
    packages = os.pathsep.join(each for each in sys.path if "site-packages" in each)
    return _program(path, f'cd / && PYTHONPATH={packages} exec {sys.executable} -S "$@"\n')


def _files(work: Path) -> None:
    from edgetl.demo.surface import render
    from edgetl.targets import architecture

    def draw(folder: Path, domain: str, label: str, numbers: range) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            picture = Image.fromarray(render(0, domain, "train", label, number)).resize((96, 96))
            picture.save(folder / f"{label}-{number:04}.jpg", quality=92)

    for label in CLASSES:
        draw(work / "photos" / label, "source", label, range(14))
        draw(work / "new-camera", "shifted", label, range(4))
        draw(work / "new-camera-labelled" / label, "shifted", label, range(4, 8))
    # As their makers' files, but for the numbers in them.
    for arch in ("mobilenet_v2", "resnet18"):
        torch.save(torchvision.models.get_model(arch).state_dict(), work / f"{arch}.pth")
    photos = sorted((work / "photos").rglob("*.jpg"))
    rows = [f"{path.relative_to(work / 'photos')},{CLASSES.index(path.parent.name)}" for path in photos]
    (work / "labels.csv").write_text("\n".join(("file,label", *rows)) + "\n")
    shutil.copytree(work / "new-camera", work / "camera")
    shutil.copy(next((work / "camera").iterdir()), work / "photo.jpg")
    (work / "edgetl.toml").write_text(SETTINGS)
    (work / "small.toml").write_text(TARGET.format(architecture=architecture(os.uname().machine)))
