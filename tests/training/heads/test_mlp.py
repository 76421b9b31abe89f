"""Heads that are trained by gradients, on classes that no linear head can tell apart."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from edgetl import heads  # noqa: E402
from edgetl.errors import UsageError  # noqa: E402
from edgetl.progress import Silent  # noqa: E402
from edgetl.training.heads import folds, mlp  # noqa: E402
from edgetl.training.hyper import Hyper  # noqa: E402
from edgetl.training.objective import Objective, class_weights  # noqa: E402

pytestmark = pytest.mark.training

Data = tuple[NDArray[np.float32], NDArray[np.int64]]
QUICK = Hyper(epochs=20, rate=5e-3)


def crossed(images: int, seed: int = 0, spread: float = 0.4) -> Data:
    """Return four clouds, those across from each other of the same class, among features of no use."""
    rng = np.random.default_rng(seed)
    sides = rng.choice([-1.0, 1.0], (images, 2))
    labels = (sides[:, 0] * sides[:, 1] > 0).astype(np.int64)
    points = rng.normal(0, spread, (images, 6))
    points[:, :2] += sides
    return (points * np.array([10, 20, 10, 5, 10, 20]) + 50).astype(np.float32), labels


def fit(data: Data, head: str = "mlp:16", hyper: Hyper = QUICK, seed: int = 0, **more: object) -> mlp.Fit:
    objective = more.pop("objective", Objective((1.0, 1.0)))
    return mlp.fit(*data, heads.parse(head), objective, hyper, seed, Silent(), **more)


def logits(fitted: mlp.Fit, x: NDArray[np.float32], head: str = "mlp:16") -> torch.Tensor:
    module = heads.build(heads.parse(head), x.shape[1], 2).eval()
    module.load_state_dict(dict(fitted.state))
    with torch.inference_mode():
        return module(torch.from_numpy(x))


def accuracy(fitted: mlp.Fit, data: Data, head: str = "mlp:16") -> float:
    return float(np.mean(logits(fitted, data[0], head).argmax(1).numpy() == data[1]))


@pytest.mark.parametrize("head", ["mlp:16", "norm+mlp:16", "norm+project:4+norm+mlp:16,8:dropout=0.1"])
def test_it_learns_what_no_linear_head_can(head: str) -> None:
    fitted = fit(crossed(600), head, Hyper(epochs=25, rate=2e-2, batch=64, patience=25))
    assert accuracy(fitted, crossed(400, seed=1), head) > 0.93
    assert fitted.cross_validated is not None
    assert fitted.cross_validated.accuracy > 0.93


@pytest.mark.parametrize("head", ["mlp:8:dropout=0.3", "norm+linear:dropout=0.5"])
def test_the_same_seed_gives_the_same_bits_and_leaves_the_random_numbers_alone(head: str) -> None:
    states = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        before = torch.get_rng_state()
        states.append(fit(crossed(80), head, seed=3).state)
        assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(states[0][name], tensor) for name, tensor in states[1].items())
    other = fit(crossed(80), head, seed=4).state
    assert any(not torch.equal(states[0][name], tensor) for name, tensor in other.items())


def test_it_ends_when_images_held_out_are_known_no_better() -> None:
    rng = np.random.default_rng(0)
    nonsense = rng.normal(0, 1, (80, 30)).astype(np.float32), np.arange(80) % 2
    tried: list[int] = []

    class Recorded(Silent):
        def step(self, name: str, done: int, total: int) -> None:
            if name == "choose the epochs" and done < total:
                tried.append(done)

    hyper, objective = Hyper(epochs=60, rate=1e-2, patience=3), Objective((1.0, 1.0))
    fitted = mlp.fit(*nonsense, heads.parse("mlp:16"), objective, hyper, 0, Recorded())
    assert tried[-1] < 30
    assert fitted.epochs == tried[-1] - 3
    assert fitted.cross_validated is not None
    assert fitted.cross_validated.accuracy < 0.75


def test_a_class_that_weighs_nothing_is_not_learnt() -> None:
    data = crossed(200)
    fitted = fit(data, objective=Objective((1.0, 0.0)))
    assert torch.all(logits(fitted, data[0]).argmax(1) == 0)


def test_normalization_is_of_the_features_however_short_the_training() -> None:
    x, y = crossed(200)
    state = fit((x, y), "norm+linear", Hyper(epochs=1)).state
    np.testing.assert_allclose(state["0.running_mean"], x.mean(0), rtol=0.02)
    np.testing.assert_allclose(state["0.running_var"], x.var(0), rtol=0.1)


def test_images_that_judge_were_not_trained_on() -> None:
    """Labels by lot can be learnt by heart only."""
    rng = np.random.default_rng(0)
    lots = rng.normal(0, 1, (100, 200)).astype(np.float32), rng.integers(0, 2, 100)
    views = [lots[0] + rng.normal(0, 0.1, lots[0].shape).astype(np.float32)]
    fitted = fit(lots, hyper=Hyper(epochs=10, rate=1e-2, patience=10), views=views)
    assert fitted.cross_validated is not None
    assert sorted(fitted.cross_validated.rows.tolist()) == list(range(100))
    assert fitted.cross_validated.accuracy < 0.7


@pytest.mark.parametrize("bound", [4096, 100])
def test_frames_of_a_scene_do_not_choose_the_epochs_for_others_of_it(
    bound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do those that are left out of the folds."""
    monkeypatch.setattr(folds, "CROSS_VALIDATED", bound)
    rng = np.random.default_rng(0)
    scene = np.repeat(np.arange(30), 10)
    x = rng.normal(0, 1, (30, 60))[scene] + rng.normal(0, 0.05, (300, 60))
    lots = x.astype(np.float32), rng.permutation(np.arange(30) % 2)[scene]
    hyper = Hyper(epochs=10, rate=1e-2, patience=10)
    torn, kept = (fit(lots, hyper=hyper, groups=groups).cross_validated for groups in (None, scene))
    assert torn is not None
    assert kept is not None
    assert torn.accuracy > 0.95, "what is to be avoided"
    assert kept.accuracy < 0.7


def test_near_identical_images_judge_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlp, "JUDGES", 40)
    data = crossed(200)
    judged = [fit(data, hyper=Hyper(epochs=1), groups=np.arange(200) // size).cross_validated for size in (1, 4)]
    assert [each.images for each in judged if each is not None] == [40, 160]
    for each, size in zip(judged, (1, 4), strict=True):
        assert each is not None
        assert set(np.unique(each.groups, return_counts=True)[1].tolist()) == {size}, "none is torn apart"


def test_large_data_is_judged_by_one_fold() -> None:
    fitted = fit(crossed(3000), hyper=Hyper(epochs=1))
    assert fitted.cross_validated is not None
    assert fitted.cross_validated.images == 600
    rows = fitted.cross_validated.rows
    np.testing.assert_array_equal(fitted.cross_validated.labels, crossed(3000)[1][rows])


def test_a_large_head_is_judged_by_one_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlp, "PARAMETERS", 200)
    fitted = fit(crossed(100), hyper=Hyper(epochs=1))
    assert fitted.cross_validated is not None
    assert fitted.cross_validated.images == 20


def test_a_class_with_one_image_is_trained_without_holding_any_out() -> None:
    x, _ = crossed(21)
    x[20] += 100
    fitted = fit((x, np.array([0] * 20 + [1])), hyper=Hyper(epochs=30, rate=1e-2))
    assert fitted.cross_validated is None
    assert fitted.epochs == 30
    assert accuracy(fitted, (x[20:], np.array([1]))) == 1.0


def test_balanced_weights_find_more_of_a_rare_class() -> None:
    x, y = crossed(600, spread=1.2)
    kept = np.flatnonzero((y == 0) | (np.arange(600) % 12 == 0))
    rare = x[kept], y[kept]
    balanced = fit(rare, objective=Objective(class_weights("balanced", rare[1], 2)))
    test_x, test_y = crossed(600, seed=1, spread=1.2)
    found = [np.mean(logits(each, test_x).argmax(1).numpy()[test_y == 1]) for each in (fit(rare), balanced)]
    assert found[1] > found[0] + 0.2


def test_views_are_seen() -> None:
    data, wrong = crossed(120), crossed(120)[0][:, [1, 0, 2, 3, 4, 5]]
    hyper = Hyper(epochs=4)
    alone, seen = fit(data, hyper=hyper), fit(data, hyper=hyper, views=[wrong])
    same = fit(data, hyper=hyper, views=[data[0]])
    torch.testing.assert_close(logits(alone, data[0]), logits(same, data[0]), atol=1e-3, rtol=1e-3)
    assert not torch.allclose(logits(alone, data[0]), logits(seen, data[0]), atol=1e-2)


def test_every_view_of_an_image_is_shown_in_turn() -> None:
    views = tuple(torch.full((4, 1), float(number)) for number in range(3))
    inputs = mlp.Cached(views, torch.zeros(1), torch.ones(1))
    shown = [next(inputs.batches(epoch, [[0, 1, 2, 3]]))[:, 0].tolist() for epoch in range(3)]
    assert shown == [[0, 1, 2, 0], [1, 2, 0, 1], [2, 0, 1, 2]]
    assert next(inputs.plain([[2, 3]]))[:, 0].tolist() == [0, 0]


def test_batches_too_small_to_normalize_over_are_refused() -> None:
    with pytest.raises(UsageError, match="--batch-size"):
        fit(crossed(20), "norm+linear", Hyper(batch=2))


def test_no_number_of_images_leaves_a_batch_that_cannot_be_normalized() -> None:
    for images in range(4, 12):
        x, _ = crossed(images)
        fit((x, np.arange(images) % 2), "norm+linear", Hyper(batch=mlp.NORM_BATCH, epochs=1))
