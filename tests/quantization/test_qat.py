"""Training that makes a network bear quantization: the same network in float, with other weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nncf")

from edgetl import classifier as classifiers  # noqa: E402
from edgetl.dataset import Dataset  # noqa: E402
from edgetl.progress import Silent  # noqa: E402
from edgetl.quantization import qat  # noqa: E402
from tests import trained_run as fixture  # noqa: E402

pytestmark = pytest.mark.training


def test_only_the_weights_change_and_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(qat, "BATCH", 4)
    monkeypatch.setattr(qat, "STEPS", 2)
    monkeypatch.setattr(qat, "RANGED", 3)
    run = fixture.trained_run(tmp_path, per_class=4)
    path, dataset = run / classifiers.FILE, Dataset.load(run)
    before = path.read_bytes()
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    module = qat.robust(path, dataset.paths(dataset.train), dataset.labels(dataset.train), 60.0, 0, Silent())
    assert capfd.readouterr() == ("", "")
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert path.read_bytes() == before
    _, float_one = classifiers.load(path)
    old, new = float_one.state_dict(), module.state_dict()
    assert list(old) == list(new)
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert {"backbone.features.0.0.weight", "head.weight"} & changed
    assert not [name for name in changed if "running" in name or "num_batches" in name]
    assert not module.training
    with torch.no_grad():
        images = torch.randn(4, 3, fixture.PREPROCESS.crop, fixture.PREPROCESS.crop)
        expected, found = float_one(images), module(images)
    assert float((found - expected).norm() / expected.norm()) < 0.2


def test_batches_go_on_through_epochs_and_keep_images_with_their_labels(tmp_path: Path) -> None:
    fixture.draw_photos(tmp_path / "photos", per_class=3)
    images = [tmp_path / "photos" / name / f"{index}.png" for name in fixture.CLASSES for index in range(3)]
    labels = [place // 3 for place in range(9)]
    batches = qat._batches(images, labels, fixture.PREPROCESS, 0)
    seen = [next(batches)[:2] for _ in range(3)]
    for inputs, numbers in seen:
        # Brightness is the class.
        order = torch.argsort(inputs.mean((1, 2, 3)))
        assert numbers[order].tolist() == sorted(numbers.tolist())
        assert np.bincount(numbers.numpy()).tolist() == [3, 3, 3]
