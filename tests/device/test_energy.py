"""Joules from made-up /sys trees, from a made-up NVML, and from whatever this machine has."""

from __future__ import annotations

import ctypes
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgetl.device.energy import energy_of, meter_for
from edgetl.device.meters.ina3221 import Ina3221, trapezoids
from edgetl.device.meters.nvml import Nvml
from edgetl.device.meters.rapl import Rapl
from edgetl.device.state import State
from edgetl.device.store import Store
from edgetl.device.values import Energy, SessionSpec, to_json
from edgetl.device.wire import Message, with_arrays
from edgetl.device.worker import answer
from edgetl.environments.local import local_command
from edgetl.measure.worker import Worker
from tests.device.test_machine import tree

POWERCAP = "sys/class/powercap"
JETSON = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"


def zone(number: str, name: str, microjoules: int, around: int = 1_000_000_000) -> dict[str, str]:
    folder = f"{POWERCAP}/intel-rapl:{number}"
    return {
        f"{folder}/name": f"{name}\n",
        f"{folder}/energy_uj": f"{microjoules}\n",
        f"{folder}/max_energy_range_uj": f"{around}\n",
    }


def rail(channel: int, label: str, millivolts: int, milliamperes: int, folder: str = JETSON) -> dict[str, str]:
    return {
        f"{folder}/in{channel}_label": f"{label}\n",
        f"{folder}/in{channel}_input": f"{millivolts}\n",
        f"{folder}/curr{channel}_input": f"{milliamperes}\n",
    }


def clock(*readings: int) -> Callable[[], int]:
    values = iter(readings)
    return lambda: next(values)


def test_rapl_is_the_sum_of_the_packages_alone(tmp_path: Path) -> None:
    files = (
        zone("0", "package-0", 5_000_000)
        | zone("1", "package-1", 7_000_000)
        | zone("0:0", "core", 1_000_000)
        | zone("2", "psys", 2_000_000)
    )
    root = tree(tmp_path, files)

    def work() -> None:
        tree(root, zone("0", "package-0", 8_500_000) | zone("1", "package-1", 7_250_000) | zone("2", "psys", 9_000_000))

    assert energy_of(work, meter_for("cpu", root), clock(0, 2_000_000_000)) == Energy(3.75, "rapl", 2.0)


def test_rapl_s_counter_may_start_anew(tmp_path: Path) -> None:
    root = tree(tmp_path, zone("0", "package-0", 999_000_000))
    measured = energy_of(lambda: tree(root, zone("0", "package-0", 500_000)), meter_for("openvino", root), clock(0, 1))
    assert measured.joules == pytest.approx(1.5)


def test_rapl_that_only_root_may_read_is_none(tmp_path: Path) -> None:
    root = tree(tmp_path, zone("0", "package-0", 5) | zone("1", "package-1", 5))
    (root / POWERCAP / "intel-rapl:1/energy_uj").unlink()
    assert meter_for("cpu", root) is None
    assert Rapl.find(tmp_path / "nothing") is None


def test_a_counter_that_is_gone_in_the_end_measured_nothing(tmp_path: Path) -> None:
    root = tree(tmp_path, zone("0", "package-0", 5))
    path = root / POWERCAP / "intel-rapl:0/energy_uj"
    assert energy_of(path.unlink, meter_for("cpu", root), clock(0, 1)) == Energy(None, None, 1e-9)


def test_a_module_s_input_is_sampled_while_the_block_runs(tmp_path: Path) -> None:
    root = tree(tmp_path, rail(1, "VDD_IN", 5_000, 2_000) | rail(2, "VDD_CPU_GPU_CV", 5_000, 1_000))
    measured = energy_of(lambda: time.sleep(0.1), meter_for("cpu", root), time.perf_counter_ns)
    assert measured.source == "ina3221"
    assert measured.joules is not None
    # 10 W, from shortly before the block until shortly after it.
    assert 0.95 * 10 * measured.seconds <= measured.joules <= 10 * (measured.seconds + 0.5)


def test_sampling_sees_what_changes_within_the_block(tmp_path: Path) -> None:
    root = tree(tmp_path, rail(1, "VDD_IN", 5_000, 0))
    meter = meter_for("cpu", root)

    def work() -> None:
        time.sleep(0.1)
        tree(root, rail(1, "VDD_IN", 5_000, 4_000))
        time.sleep(0.1)
        tree(root, rail(1, "VDD_IN", 5_000, 0))

    joules = energy_of(work, meter, time.perf_counter_ns).joules
    assert joules is not None
    # 20 W for about 0.1 s; the ends of the block alone would say 0.
    assert 1.0 < joules < 8.0


def test_boards_without_one_input_add_the_rails_that_are_it(tmp_path: Path) -> None:
    other = JETSON.replace("1-0040/hwmon/hwmon3", "1-0041/hwmon/hwmon4")
    root = tree(
        tmp_path,
        rail(1, "VDD_GPU_SOC", 20_000, 100)
        | rail(2, "VDD_CPU_CV", 20_000, 50)
        | rail(3, "VIN_SYS_5V0", 5_000, 400)
        | rail(2, "VDDQ_VDD2_1V8AO", 5_000, 100, other),
    )
    meter = Ina3221.find(root)
    assert meter is not None
    assert meter.watts() == pytest.approx(2 + 1 + 2)


def test_unknown_rails_and_those_without_a_current_measure_nothing(tmp_path: Path) -> None:
    assert Ina3221.find(tree(tmp_path / "unknown", rail(1, "SOME_RAIL", 5_000, 100))) is None
    root = tree(tmp_path / "half", rail(1, "VDD_IN", 5_000, 100))
    (root / JETSON / "curr1_input").unlink()
    assert Ina3221.find(root) is None


@pytest.mark.parametrize(
    ("samples", "joules"),
    [
        ([], None),
        ([(0, 5.0)], None),
        ([(0, 5.0), (2_000_000_000, 5.0)], 10.0),
        ([(0, 0.0), (1_000_000_000, 10.0), (1_500_000_000, 10.0)], 10.0),
    ],
)
def test_trapezoids(samples: list[tuple[int, float]], joules: float | None) -> None:
    assert trapezoids(samples) == joules


class Library:
    """NVML of a machine with ``gpus`` GPUs whose counter reads ``millijoules``."""

    def __init__(self, gpus: int, *millijoules: int, init: int = 0) -> None:
        self.gpus, self.millijoules, self.init = gpus, list(millijoules), init

    def nvmlInit_v2(self) -> int:  # noqa: N802 - NVML's name
        return self.init

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802 - NVML's name
        count._obj.value = self.gpus
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, device: Any) -> int:  # noqa: N802 - NVML's name
        device._obj.value = 77
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, device: ctypes.c_void_p, found: Any) -> int:  # noqa: N802 - NVML's name
        assert device.value == 77
        if not self.millijoules:
            return 3
        found._obj.value = self.millijoules.pop(0)
        return 0


def test_a_gpu_s_counter_is_in_millijoules() -> None:
    meter = Nvml.of(Library(1, 1_000, 2_000, 7_500))
    assert energy_of(lambda: None, meter, clock(0, 4_000_000_000)) == Energy(5.5, "nvml", 4.0)


@pytest.mark.parametrize(
    "library",
    [Library(0, 1), Library(2, 1, 2), Library(1), Library(1, 1, init=9), object()],
    ids=["no GPU", "two GPUs", "no counter", "no driver", "another library"],
)
def test_a_gpu_that_cannot_be_told_or_has_no_counter_measures_nothing(library: Any) -> None:
    assert Nvml.of(library) is None


def test_a_gpu_is_not_measured_by_the_processor_s_counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    root = tree(tmp_path, zone("0", "package-0", 5))
    assert meter_for("cuda", root) is None
    assert isinstance(meter_for("cpu", root), Rapl)
    tree(root, rail(1, "VDD_IN", 5_000, 100))
    assert isinstance(meter_for("tensorrt", root), Ina3221)
    assert meter_for("fake", root) is None


def test_without_a_meter_only_the_time_is_known() -> None:
    ran = []
    assert energy_of(lambda: ran.append(1), None, clock(5, 1_000_000_005)) == Energy(None, None, 1.0)
    assert ran == [1]


def test_an_error_in_the_block_ends_the_sampling(tmp_path: Path) -> None:
    meter = Ina3221.find(tree(tmp_path, rail(1, "VDD_IN", 5_000, 100)))

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        energy_of(fail, meter, clock(0, 1))


def test_a_worker_measures_the_runs_it_is_asked_for(tmp_path: Path) -> None:
    model = tmp_path / "model.json"
    model.write_text(json.dumps({"latency_ns": [500_000_000]}))
    with Worker(local_command()) as worker:
        worker.load(model, SessionSpec("fake"))
        worker.set_input(np.zeros((1, 4, 4, 3), np.uint8))
        assert worker.energy(4) == Energy(None, None, 2.0)


def test_energy_needs_images_first() -> None:
    script = b"{}"
    blob = {"sha256": hashlib.sha256(script).hexdigest(), "suffix": ".json"}
    with Store() as store:
        state = State(store)
        answer(state, Message({"op": "put", **blob}, (script,)))
        answer(state, Message({"op": "load", **blob, "spec": to_json(SessionSpec("fake"))}))
        refused = answer(state, Message({"op": "energy", "count": 1})).header["error"]
        assert refused["message"] == "'energy' needs images: send 'pixels' first."
        answer(state, with_arrays({"op": "pixels"}, np.zeros((1, 4, 4, 3), np.uint8)))
        assert answer(state, Message({"op": "energy", "count": 2})).header == {
            "joules": None,
            "source": None,
            "seconds": 0.002,
        }
