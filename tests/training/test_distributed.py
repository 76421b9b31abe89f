"""Several processes share the work and all have the whole result; one alone is not bothered."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgetl.device.values import Preprocess
from edgetl.errors import UsageError
from edgetl.files import sha256_file
from edgetl.progress import Silent
from edgetl.training import distributed
from edgetl.training.distributed import ALONE, World, joined
from edgetl.training.features import extraction
from tests.photos import Remarks, photo
from tests.training.two_processes import REPOSITORY, torchrun

pytestmark = pytest.mark.usefixtures("every_core")

SMALL = Preprocess(resize=40, crop=32)

# What both processes do; each leaves what it got in a file of its own.
SCRIPT = """
import json, os, sys, time
from pathlib import Path

import numpy as np
import torch

from edgetl.device.cores import cores_allowed
from edgetl.training import distributed
from edgetl.training.features import extraction
from edgetl.training.distributed import joined
from tests.photos import Remarks
from tests.training.test_distributed import SMALL, backbone_features

folder = Path(sys.argv[1])


def once():
    made = folder / "made"
    if made.exists():
        return "found"
    time.sleep(0.5)
    made.touch()
    return "made"


with joined() as world:
    distributed.BLOCK = 40
    whole = np.arange(33, dtype=np.float32).reshape(11, 3)
    progress = Remarks()
    result = {
        "leads": world.leads,
        "cores": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [],
        "threads": [torch.get_num_threads(), cores_allowed()],
        "gathered": np.array_equal(world.gather(whole[world.rank :: 2], 11), whole),
        "one": world.gather(np.arange(1)[world.rank :: 2], 1).tolist(),
        "first": world.first_here(once),
        "told": world.broadcast({"rank": world.rank, "text": "ü" * world.rank}),
    }
    os.environ["EDGETL_CACHE"] = str(folder / f"cache{world.rank}")
    np.save(folder / f"{world.rank}.npy", backbone_features(folder, world, progress))
    result["seen"] = max((done for name, done, _ in progress.steps if name == "features"), default=0)
    (folder / f"{world.rank}.json").write_text(json.dumps(result))
"""


def backbone_features(folder: Path, world: World, progress: Remarks) -> extraction.Features:
    """Return the features of the images in ``folder`` from a small network, by the way that every training goes."""
    import torch
    from torch import nn

    from edgetl.training.features import forward

    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    source = extraction.Source("weights", "arch", SMALL)
    paths = sorted(folder.glob("*.png"))
    hashes = [sha256_file(path) for path in paths]
    return extraction.extract(
        source,
        paths,
        hashes,
        8,
        lambda sample: forward.fastest(network, SMALL, source.onnx, sample, progress),
        progress,
        world=world,
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """The folder of what two processes left, and what each of them said."""
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("two")
    for index in range(9):
        photo(folder / f"{index}.png", (20 * index, 90, 90), seed=index)
    script = folder / "script.py"
    script.write_text(SCRIPT)
    done = torchrun(script, folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return folder, [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.training
@pytest.mark.engine
def test_each_has_the_features_of_all_images_bit_by_bit(two: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, said = two
    alone = backbone_features(folder, ALONE, Remarks())
    assert alone.shape == (9, 8)
    assert np.std(alone) > 0
    for rank in range(2):
        assert np.array_equal(np.load(folder / f"{rank}.npy"), alone)
    # The one that leads computed its half, and the other one told nobody.
    assert [each["seen"] for each in said] == [5, 0]


@pytest.mark.training
@pytest.mark.engine
def test_parts_come_together_in_order(two: tuple[Path, list[dict[str, Any]]]) -> None:
    for each in two[1]:
        assert each["gathered"]
        assert each["one"] == [0]
        assert each["told"] == {"rank": 0, "text": ""}
    assert [each["leads"] for each in two[1]] == [True, False]
    assert [each["first"] for each in two[1]] == ["made", "found"]


@pytest.mark.training
@pytest.mark.engine
def test_processes_of_a_machine_share_its_cores(two: tuple[Path, list[dict[str, Any]]]) -> None:
    first, second = two[1]
    for each in (first, second):
        threads, cores = each["threads"]
        assert threads == cores
    from edgetl.device.cores import cores_allowed

    if len(first["cores"]) and cores_allowed() > 1:
        assert not set(first["cores"]) & set(second["cores"])
        assert len(first["cores"]) == cores_allowed() // 2


@pytest.mark.training
def test_when_one_ends_the_other_does_not_wait_for_it(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        from pathlib import Path
        from edgetl.errors import EdgetlError
        from edgetl.training.distributed import joined
        with joined() as world:
            world.barrier()
            if world.rank == 1:
                raise SystemExit(7)
            try:
                world.barrier()
            except EdgetlError as error:
                Path(__file__).with_name("said").write_text(str(error))
                raise
        """)
    )
    assert torchrun(script).returncode != 0
    # Unless torchrun ended this one first.
    said = tmp_path / "said"
    assert not said.exists() or "Another process" in said.read_text()


def test_alone_nothing_is_touched() -> None:
    program = """
import os, sys
before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
from edgetl.training.distributed import ALONE, joined
with joined() as world:
    assert world is ALONE
    assert world.gather("part", 1) == "part"
    assert world.broadcast("value") == "value"
    world.barrier()
    assert "torch" not in sys.modules
    assert before is None or os.sched_getaffinity(0) == before
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=REPOSITORY, timeout=60)


def test_shares_are_disjoint_and_whole() -> None:
    shares = [World(rank, 3).share(range(10)) for rank in range(3)]
    assert sorted(index for share in shares for index in share) == list(range(10))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_only_the_one_that_leads_is_heard() -> None:
    progress = Remarks()
    assert World(0, 2).progress(progress) is progress
    assert isinstance(World(1, 2).progress(progress), Silent)


@pytest.mark.parametrize(
    "variables",
    [
        {"WORLD_SIZE": "2"},
        {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"},
        {"WORLD_SIZE": "two", "RANK": "0", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"},
    ],
    ids=["size only", "no address", "no number"],
)
def test_half_an_environment_is_refused(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="torchrun"), joined():
        pass


def test_gathering_takes_little_memory_beside_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "BLOCK", 1 << 20)
    monkeypatch.setattr(World, "_all_gather", lambda self, block: [block, block + 1])
    part = np.zeros((10_000, 512), np.float32)
    tracemalloc.start()
    whole = World(0, 2).gather(part, 20_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert whole[0::2].max() == 0
    assert whole[1::2].min() == 1
    assert peak - whole.nbytes < 4 << 20
