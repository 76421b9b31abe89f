"""The probe against scikit-learn, and what a user would miss."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from edgetl.progress import Silent  # noqa: E402
from edgetl.training.heads import design, logistic, probe  # noqa: E402
from edgetl.training.objective import Objective, class_weights  # noqa: E402

pytestmark = pytest.mark.training

Data = tuple[NDArray[np.float32], NDArray[np.int64]]


def blobs(images: int, width: int, classes: int = 3, spread: float = 1.0, seed: int = 0) -> Data:
    """Return points around one centre a class, with columns of very different scales."""
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % classes
    centres = np.random.default_rng(99).normal(0, 1, (classes, width))
    scales = np.logspace(-2, 2, width)
    points = (centres[labels] + rng.normal(0, spread, (images, width))) * scales + 5 * scales
    return points.astype(np.float32), labels


def logits(fitted: probe.Probe, x: NDArray[np.float32]) -> NDArray[np.float64]:
    return x.astype(np.float64) @ fitted.weight.double().numpy().T + fitted.bias.double().numpy()


@pytest.mark.parametrize(("images", "width"), [(60, 200), (300, 20)], ids=["wide", "tall"])
def test_it_is_the_logistic_regression_of_scikit_learn(images: int, width: int) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, y = blobs(images, width, spread=2.0)
    fitted = probe.fit(x, y, 3, 0, Silent())
    deviation = x.std(0, dtype=np.float64)
    deviation = np.hypot(deviation, design.FLOOR * np.sqrt(np.mean(deviation**2)))
    z = (x.astype(np.float64) - x.mean(0, dtype=np.float64)) / deviation
    theirs = linear_model.LogisticRegression(C=1 / (fitted.l2 * images), tol=1e-8, max_iter=5000).fit(z, y)
    ours, expected = logits(fitted, x), theirs.decision_function(z)
    centred = [values - values.mean(1, keepdims=True) for values in (ours, expected)]
    np.testing.assert_allclose(*centred, atol=2e-2)


def test_strength_follows_the_noise() -> None:
    clean = probe.fit(*blobs(90, 60, spread=0.3), 3, 0, Silent())
    noisy = probe.fit(*blobs(90, 60, spread=8.0), 3, 0, Silent())
    assert noisy.l2 > clean.l2
    assert clean.cv_accuracy == 1.0
    assert noisy.cv_accuracy is not None
    assert noisy.cv_accuracy < 0.9


def test_it_generalizes() -> None:
    fitted = probe.fit(*blobs(90, 300, spread=1.5), 3, 0, Silent())
    x, y = blobs(600, 300, spread=1.5, seed=1)
    assert np.mean(logits(fitted, x).argmax(1) == y) > 0.95


def test_the_same_seed_gives_the_same_bits() -> None:
    x, y = blobs(90, 300, spread=2.0)
    first, second = (probe.fit(x, y, 3, 7, Silent()) for _ in range(2))
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias)


def test_a_feature_that_never_changes_gets_no_weight_and_no_nan() -> None:
    x, y = blobs(60, 20)
    x[:, 3] = 1e6
    fitted = probe.fit(x, y, 3, 0, Silent())
    assert torch.all(fitted.weight[:, 3] == 0)
    assert torch.isfinite(fitted.weight).all()


def test_it_survives_its_features_being_rounded_to_int8() -> None:
    """As behind a quantized backbone: one step for all features, which leaves nothing of the small ones."""
    x, y = blobs(300, 40, spread=2.0)
    x = (x - x.mean(0)) / x.std(0)
    x[:, 20:] *= 1e-3
    fitted = probe.fit(x, y, 3, 0, Silent())
    step = np.abs(x).max() / 127
    rounded = np.round(x / step).astype(np.float32) * np.float32(step)
    before, after = (np.mean(logits(fitted, each).argmax(1) == y) for each in (x, rounded))
    assert after > before - 0.02


def test_a_class_with_one_image_is_trained_without_cross_validation() -> None:
    x, _ = blobs(9, 20)
    fitted = probe.fit(x, np.array([0, 0, 0, 0, 1, 1, 1, 1, 2]), 3, 0, Silent())
    assert fitted.cv_accuracy is None
    assert fitted.l2 == probe.UNVALIDATED_L2
    assert logits(fitted, x).argmax(1)[8] == 2


def bursts(
    scenes: int, frames: int, width: int = 60
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Return frames of scenes, near-identical within each, whose classes are by lot; and which scene each is of."""
    rng = np.random.default_rng(0)
    scene = np.repeat(np.arange(scenes), frames)
    points = rng.normal(0, 1, (scenes, width))[scene] + rng.normal(0, 0.05, (len(scene), width))
    return points.astype(np.float32), rng.permutation(np.arange(scenes) % 2)[scene], scene


def test_frames_of_a_scene_do_not_judge_what_was_fitted_to_others_of_it() -> None:
    x, y, scene = bursts(30, 10)
    torn = probe.fit(x, y, 2, 0, Silent())
    assert torn.cv_accuracy == 1.0, "what is to be avoided"
    fitted = probe.fit(x, y, 2, 0, Silent(), groups=scene)
    assert fitted.cross_validated is not None
    assert fitted.cross_validated.images == 300
    assert fitted.cross_validated.accuracy < 0.7
    assert fitted.cross_validated.independent == pytest.approx(30)
    np.testing.assert_array_equal(fitted.cross_validated.groups, scene[fitted.cross_validated.rows])
    assert fitted.l2 > 100 * torn.l2


def test_a_class_of_one_scene_is_not_cross_validated() -> None:
    x, y, scene = bursts(30, 10)
    scene[y == 1] = 99
    fitted = probe.fit(x, y, 2, 0, Silent(), groups=scene)
    assert fitted.cross_validated is None
    assert fitted.l2 == probe.UNVALIDATED_L2


def test_what_is_not_held_in_memory_gives_the_same_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = blobs(300, 40, spread=3.0)
    held = probe.fit(x, y, 3, 0, Silent())
    monkeypatch.setattr(design, "HELD", 0)
    monkeypatch.setattr(design, "BLOCK", 7 * 40)
    monkeypatch.setattr(design, "SAMPLE", 90)
    monkeypatch.setattr(probe, "UNKNOWNS", 2 * 41 * 3)
    streamed = probe.fit(x, y, 3, 0, Silent())
    assert streamed.l2 == held.l2
    assert streamed.cv_accuracy == held.cv_accuracy
    np.testing.assert_allclose(logits(streamed, x), logits(held, x), atol=1e-4)


def test_features_that_a_sample_does_not_show_are_used_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (400, 8)).astype(np.float32)
    y = np.arange(400) // 2 % 2
    # Every second image is in the sample, and in those this feature does not change.
    x[:, 3] = np.where(np.arange(400) % 2, 8.0 * y - 4, 0.0)
    monkeypatch.setattr(design, "SAMPLE", 200)
    fitted = probe.fit(x, y, 2, 0, Silent())
    assert np.mean(logits(fitted, x).argmax(1)[1::2] == y[1::2]) > 0.9


def test_memory_stays_far_below_a_second_copy_of_the_features() -> None:
    """The peak of a process of its own above the features, which take 39 MiB; in float64 they would take 78."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the peak is read from /proc")
    script = """
        import numpy as np
        from edgetl.progress import Silent
        from edgetl.training.heads import design, probe
        design.HELD, design.BLOCK = 2**20, 2**16
        rng = np.random.default_rng(0)
        y = np.arange(40_000) % 3
        x = rng.standard_normal((40_000, 256), np.float32)
        x[:, :3] += 2 * np.eye(3, dtype=np.float32)[y]
        probe.fit(x[:600], y[:600], 3, 0, Silent())
        open("/proc/self/clear_refs", "w").write("5")
        status = lambda key: int(open("/proc/self/status").read().split(key + ":")[1].split()[0]) // 1024
        before = status("VmRSS")
        probe.fit(x, y, 3, 0, Silent())
        print(status("VmHWM") - before)
    """
    # Threads that wait by spinning would slow a busy machine down.
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert int(done.stdout) < 30


def test_balanced_weights_count_each_image_of_a_rare_class_more() -> None:
    x, y = blobs(300, 10, classes=2, spread=6.0)
    kept = np.flatnonzero((y == 0) | (np.arange(300) % 20 == 1))
    rare_x, rare_y = x[kept], y[kept]
    plain = probe.fit(rare_x, rare_y, 2, 0, Silent())
    objective = Objective(class_weights("balanced", rare_y, 2))
    balanced = probe.fit(rare_x, rare_y, 2, 0, Silent(), objective=objective)
    test_x, test_y = blobs(600, 10, classes=2, spread=6.0, seed=1)
    found = [np.mean(logits(each, test_x).argmax(1)[test_y == 1] == 1) for each in (plain, balanced)]
    assert found[1] > found[0] + 0.2


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, y = blobs(200, 12, classes=2, spread=4.0)
    x, y = x[25 * y < np.arange(200)], y[25 * y < np.arange(200)]
    x = np.concatenate([x, x[y == 0]])
    y = np.concatenate([y, y[y == 0]])
    fitted = probe.fit(x, y, 2, 0, Silent(), objective=Objective(class_weights("balanced", y, 2)))
    coordinates = design.coordinates([torch.from_numpy(x)])
    z = (x - coordinates.mean.numpy()) @ coordinates.into.numpy()
    strength = 1 / (fitted.l2 * len(y))
    theirs = linear_model.LogisticRegression(C=2 * strength, class_weight="balanced", tol=1e-8, max_iter=5000).fit(z, y)
    ours = logits(fitted, x)
    # Scikit-learn has one weight vector for two classes, the difference of ours, and so half of our norm squared.
    np.testing.assert_allclose(ours[:, 1] - ours[:, 0], theirs.decision_function(z), atol=2e-2)


def test_the_gradient_is_that_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    z = [torch.randn(20, 5, generator=generator, dtype=torch.float64) for _ in range(2)]
    y = torch.arange(20) % 3
    objective = Objective((1.0, 2.0, 0.5), 0.2)
    problem = logistic.Problem(design.Design(tuple(z), None), y, torch.ones(5), objective)
    shares = torch.rand(20, 2, generator=generator, dtype=torch.float64)
    solution = torch.randn(6, 2, 3, generator=generator, dtype=torch.float64)
    value, gradient = logistic._loss(problem, shares, solution)
    solution.requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    for view in z:
        for fit in range(2):
            scores = view @ solution[:-1, fit] + solution[-1, fit]
            each = torch.nn.functional.cross_entropy(scores, y, reduction="none", label_smoothing=0.2)
            total = total + (each * shares[:, fit]).sum() / 2
    total.backward()
    assert value == pytest.approx(float(total.detach()))
    torch.testing.assert_close(gradient, solution.grad)


def test_smoothed_labels_keep_the_probe_from_being_too_sure() -> None:
    x, y = blobs(120, 10, spread=0.1)
    sure, smoothed = (
        probe.fit(x, y, 3, 0, Silent(), objective=Objective((1.0,) * 3, smoothing)) for smoothing in (0.0, 0.3)
    )
    chances = [
        np.exp(z - np.logaddexp.reduce(z, 1, keepdims=True)).max(1) for z in (logits(sure, x), logits(smoothed, x))
    ]
    assert chances[0].mean() > 0.99
    assert chances[1].mean() == pytest.approx(0.8, abs=0.02)


def test_views_that_repeat_the_image_change_nothing() -> None:
    x, y = blobs(90, 30, spread=4.0)
    alone, repeated = (probe.fit(x, y, 3, 0, Silent(), views=views) for views in ((), (x, x)))
    assert alone.l2 == repeated.l2
    assert alone.cv_accuracy == repeated.cv_accuracy
    np.testing.assert_allclose(logits(alone, x), logits(repeated, x), atol=1e-4)


def test_views_of_an_image_are_not_on_both_sides_of_a_split() -> None:
    """Labels by lot can be learnt by heart only: were a view of an image in another fold, its class would be known."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (100, 400)).astype(np.float32)
    y = rng.integers(0, 2, 100)
    views = [x + rng.normal(0, 0.1, x.shape).astype(np.float32) for _ in range(3)]
    accuracy = probe.fit(x, y, 2, 0, Silent(), views=views).cv_accuracy
    assert accuracy is not None
    assert accuracy < 0.7


def test_plain_images_judge_and_not_their_views() -> None:
    x, y = blobs(90, 20, spread=0.5)
    # Views of which nothing can be told.
    noise = np.random.default_rng(0).permutation(x)
    fitted = probe.fit(x, y, 3, 0, Silent(), views=[noise])
    assert fitted.cross_validated is not None
    assert fitted.cross_validated.images == 90
    assert fitted.cross_validated.accuracy > 0.8


def test_views_teach_what_does_not_matter() -> None:
    """A feature that tells the classes apart in the few images that there are, and that augmentation changes."""
    x, y = blobs(30, 20, spread=2.0)
    x[:, 5] = 1e3 * y
    views = []
    for seed in range(4):
        view = x.copy()
        view[:, 5] = 1e3 * np.random.default_rng(seed).integers(0, 3, 30)
        views.append(view)
    test_x, test_y = blobs(300, 20, spread=2.0, seed=1)
    test_x[:, 5] = 1e3
    accuracies = [
        np.mean(logits(probe.fit(x, y, 3, 0, Silent(), views=each), test_x).argmax(1) == test_y) for each in ((), views)
    ]
    assert accuracies[1] > accuracies[0] + 0.1


def test_what_is_said_of_unseen_images_is_given_out() -> None:
    x, y = blobs(90, 60, spread=8.0)
    fitted = probe.fit(x, y, 3, 0, Silent())
    found = fitted.cross_validated
    assert found is not None
    assert sorted(found.rows.tolist()) == list(range(90))
    np.testing.assert_array_equal(found.labels, y[found.rows])
    assert found.right == np.sum(found.logits.argmax(1) == found.labels)
    assert found.right / found.images == fitted.cv_accuracy
    chances = np.exp(found.logits) / np.exp(found.logits).sum(1, keepdims=True)
    assert found.log_loss == pytest.approx(-np.log(chances[np.arange(90), found.labels]).mean(), rel=1e-5)
    # The images that the probe was fitted to, it knows better.
    assert np.mean(logits(fitted, x).argmax(1) == y) > found.accuracy
