"""The loop of a training by gradients, on toys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgetl.errors import UsageError  # noqa: E402
from edgetl.training.descent import checkpoint, loop, schedule  # noqa: E402
from edgetl.training.descent.optimizer import Group, adamw, at, rates  # noqa: E402
from edgetl.training.descent.plan import EPOCHS, INTERRUPTED, PATIENCE, TIME, Examples, Outcome, Plan, Session  # noqa: E402
from edgetl.training.objective import Objective, class_weights  # noqa: E402
from tests.photos import Remarks  # noqa: E402
from tests.training.toys import Points, clouds, examples, network  # noqa: E402

pytestmark = pytest.mark.training


def plan(**changes: Any) -> Plan:
    names = [name for name, _ in network().named_parameters()]
    groups = (
        Group("head", frozenset(name for name in names if name.startswith("head.")), 0.05),
        Group("backbone", frozenset(name for name in names if name.startswith("backbone.")), 0.02),
    )
    return replace(Plan(groups, Objective((1.0,) * 3), 6, 8, 6, "frozen", 0), **changes)


def trained(
    folder: Path, interrupted: int | None = None, resume: bool = False, key: str = "k", **changes: Any
) -> Outcome:
    session = Session(folder, key, Remarks(), resume)
    return loop.train(network(), examples(interrupted=interrupted), examples(18, 1), plan(**changes), session)


def same(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_training_learns_and_the_same_seed_gives_the_same_bits(tmp_path: Path) -> None:
    first, again = trained(tmp_path / "a"), trained(tmp_path / "b")
    assert same(first.state, again.state)
    assert first.losses.mean(1)[first.best_epoch] < 0.7 * first.losses.mean(1)[0]
    assert first.losses.shape == (7, 18)
    assert first.ended == EPOCHS
    other = trained(tmp_path / "c", seed=1)
    assert not same(first.state, other.state)


@pytest.mark.parametrize("batchnorm", ["frozen", "train"])
@pytest.mark.parametrize("epoch", [1, 3, 6])
def test_a_resumed_training_ends_with_the_bits_of_an_uninterrupted_one(
    tmp_path: Path, epoch: int, batchnorm: str
) -> None:
    whole = trained(tmp_path / "whole", batchnorm=batchnorm)
    stopped = trained(tmp_path / "stopped", interrupted=epoch, batchnorm=batchnorm)
    assert stopped.ended == INTERRUPTED
    assert stopped.epochs == epoch - 1
    resumed = trained(tmp_path / "stopped", resume=True, batchnorm=batchnorm)
    assert same(resumed.state, whole.state)
    assert resumed.best_epoch == whole.best_epoch
    np.testing.assert_array_equal(resumed.losses, whole.losses)
    np.testing.assert_array_equal(resumed.logits, whole.logits)
    untimed = [
        [{**line, "seconds": 0, "images_per_s": 0} for line in lines(tmp_path / name)] for name in ("whole", "stopped")
    ]
    assert untimed[0] == untimed[1]
    assert [line["epoch"] for line in untimed[0]] == list(range(7))


def test_an_interruption_gives_the_best_so_far_and_before_any_validation_nothing(tmp_path: Path) -> None:
    stopped = trained(tmp_path, interrupted=4)
    assert same(stopped.state, trained(tmp_path / "shorter", interrupted=4).state)
    best = int(stopped.losses.mean(1).argmin())
    assert stopped.best_epoch == best > 0
    session = Session(tmp_path / "early", "k", Remarks())
    with pytest.raises(KeyboardInterrupt):
        loop.train(network(), examples(), examples(18, 1, interrupted=0), plan(), session)


def test_a_training_that_is_over_is_resumed_without_training(tmp_path: Path) -> None:
    whole = trained(tmp_path)
    fit = examples()
    again = loop.train(network(), fit, examples(18, 1), plan(), Session(tmp_path, "k", Remarks(), resume=True))
    assert isinstance(fit.inputs, Points)
    assert fit.inputs.epochs == []
    assert same(again.state, whole.state)


def test_a_new_training_replaces_what_an_old_one_left(tmp_path: Path) -> None:
    trained(tmp_path, interrupted=5)
    trained(tmp_path, interrupted=2)
    assert [line["epoch"] for line in lines(tmp_path)] == [0, 1]
    assert checkpoint.load(tmp_path, "k").epoch == 1


def test_there_is_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="without --resume"):
        trained(tmp_path, resume=True)
    trained(tmp_path, interrupted=2)
    with pytest.raises(UsageError, match="other settings, data or weights"):
        trained(tmp_path, resume=True, key="other")


def test_the_state_before_training_is_kept_where_training_only_makes_it_worse(tmp_path: Path) -> None:
    points, labels = clouds(18, 1)
    wrong = Examples(Points(points), (labels + 1) % 3)
    before = {name: tensor.clone() for name, tensor in network().state_dict().items()}
    fitted = trained(tmp_path / "first")
    module = network()
    module.load_state_dict(fitted.state)
    outcome = loop.train(module, wrong, examples(18, 1), plan(patience=2), Session(tmp_path, "k", Remarks()))
    assert outcome.best_epoch == 0
    assert same(outcome.state, fitted.state)
    assert not same(outcome.state, before)
    assert (outcome.epochs, outcome.ended) == (2, PATIENCE)


def test_no_epoch_is_begun_for_which_there_is_no_time(tmp_path: Path) -> None:
    module, session = network(), Session(tmp_path, "k", Remarks(), budget_s=0.0)
    outcome = loop.train(module, examples(), examples(18, 1), plan(), session)
    assert (outcome.epochs, outcome.ended) == (1, TIME)


def test_frozen_statistics_stay_and_trained_ones_are_of_the_final_weights(tmp_path: Path) -> None:
    before = network().state_dict()["backbone.1.running_mean"]
    frozen = trained(tmp_path / "frozen").state
    assert torch.equal(frozen["backbone.1.running_mean"], before)
    assert not torch.equal(frozen["backbone.1.weight"], torch.ones(8))

    points = examples(32).inputs.points  # type: ignore[attr-defined]
    outcome = loop.train(
        network(), examples(32), examples(18, 1), plan(batchnorm="train"), Session(tmp_path, "k", Remarks())
    )
    assert outcome.best_epoch > 0
    state = outcome.state
    mapped = torch.nn.functional.conv2d(points, state["backbone.0.weight"], state["backbone.0.bias"])
    torch.testing.assert_close(state["backbone.1.running_mean"], mapped.mean((0, 2, 3)), atol=1e-5, rtol=0)
    torch.testing.assert_close(state["backbone.1.running_var"], mapped.var((0, 2, 3)), atol=1e-5, rtol=0)


def test_torchs_random_numbers_are_left_as_they_were(tmp_path: Path) -> None:
    module, fit, stopping = network(), examples(), examples(18, 1)
    before = torch.get_rng_state()
    loop.train(module, fit, stopping, plan(), Session(tmp_path, "k", Remarks()))
    assert torch.equal(torch.get_rng_state(), before)


def test_progress_counts_images(tmp_path: Path) -> None:
    watched = Remarks()
    loop.train(network(), examples(), examples(18, 1), plan(epochs=2), Session(tmp_path, "k", watched))
    done = [done for _, done, _ in watched.steps]
    assert done == sorted(done)
    assert done[-1] == 50
    assert {total for _, _, total in watched.steps} == {50}


def test_balanced_classes_weigh_alike() -> None:
    labels = np.array([0] * 30 + [1] * 10 + [3] * 20)
    weights = class_weights("balanced", labels, 4)
    assert weights[2] == 0
    total = [weights[label] * int((labels == label).sum()) for label in (0, 1, 3)]
    np.testing.assert_allclose(total, 20)
    assert class_weights("none", labels, 4) == (1.0,) * 4
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([0, 1, 3])
    losses = Objective(weights, smoothing=0.2)(logits, target)
    log = logits.log_softmax(1)
    expected = -(0.8 * log[range(3), target] + 0.2 * log.mean(1)) * torch.tensor(weights)[target]
    torch.testing.assert_close(losses, expected)


def test_every_image_is_in_one_batch_and_none_is_much_smaller() -> None:
    for images, batch in ((25, 8), (33, 32), (7, 7), (1, 8), (64, 32)):
        parts = schedule.batches(images, batch, 0, 1)
        assert sorted(index for part in parts for index in part) == list(range(images))
        sizes = {len(part) for part in parts}
        assert max(sizes) <= batch
        assert max(sizes) - min(sizes) <= 1
    assert schedule.batches(25, 8, 0, 1) != schedule.batches(25, 8, 0, 2)
    assert schedule.batches(25, 8, 0, 1) != schedule.batches(25, 8, 1, 1)


def test_the_learning_rate_rises_then_falls_to_nothing() -> None:
    course = [schedule.factor(step, 40, 4) for step in range(40)]
    assert course[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert course[4:] == sorted(course[4:], reverse=True)
    assert course[22] == pytest.approx(0.5)
    assert course[-1] < 0.01


def test_biases_and_normalizations_do_not_decay_and_each_part_has_its_rate() -> None:
    module = network()
    optimizer = adamw(module, plan().groups)
    decayed = [parameter for part in optimizer.param_groups if part["weight_decay"] for parameter in part["params"]]
    assert {parameter.ndim for parameter in decayed} == {2, 4}
    assert sum(len(part["params"]) for part in optimizer.param_groups) == len(list(module.parameters()))
    at(optimizer, 0.5)
    assert rates(optimizer) == {"head": 0.025, "backbone": 0.01}


def _process(rank: int, size: int, folder: str) -> None:
    import torch.distributed as dist

    from edgetl.training.distributed import World

    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=size)
    torch.set_num_threads(1)
    for batch in BATCHES:
        session = Session(Path(folder) / f"many-{batch}", "k", Remarks(), world=World(rank, size))
        outcome = loop.train(network(dropout=0), examples(), examples(18, 1), plan(batch=batch, epochs=3), session)
        torch.save((outcome.state, torch.from_numpy(outcome.losses)), Path(folder) / f"{rank}-{batch}.pt")
    # Only the first process has a checkpoint, as on machines without a common folder.
    session = Session(Path(folder) / f"own-{rank}", "k", Remarks(), world=World(rank, size))
    short = plan(epochs=3)
    stopped = loop.train(network(dropout=0), examples(interrupted=2), examples(18, 1), short, session)
    assert stopped.ended == INTERRUPTED
    resumed = loop.train(network(dropout=0), examples(), examples(18, 1), short, replace(session, resume=True))
    torch.save((resumed.state, torch.from_numpy(resumed.losses)), Path(folder) / f"{rank}-resumed.pt")
    dist.destroy_process_group()


# Of 25 images: uneven shares, and shares of one image that leave the other process none.
BATCHES = (8, 1)


def test_two_processes_give_the_result_of_one(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_process, (2, str(tmp_path)), nprocs=2)
    for batch in BATCHES:
        session = Session(tmp_path / f"one-{batch}", "k", Remarks())
        one = loop.train(network(dropout=0), examples(), examples(18, 1), plan(batch=batch, epochs=3), session)
        for rank in range(2):
            state, losses = torch.load(tmp_path / f"{rank}-{batch}.pt", weights_only=True)
            np.testing.assert_allclose(losses, one.losses, rtol=1e-3, atol=1e-4)
            for name, tensor in one.state.items():
                torch.testing.assert_close(state[name], tensor, rtol=1e-3, atol=1e-4)
            if batch == BATCHES[0]:
                whole, resumed = (
                    torch.load(tmp_path / f"{rank}-{name}.pt", weights_only=True) for name in (batch, "resumed")
                )
                assert same(whole[0], resumed[0])
        alone, together = lines(tmp_path / f"one-{batch}"), lines(tmp_path / f"many-{batch}")
        assert [line["epoch"] for line in together] == list(range(4))
        np.testing.assert_allclose(
            [line["train_loss"] for line in together[1:]], [line["train_loss"] for line in alone[1:]], rtol=1e-3
        )


def test_batches_too_small_for_batchnorm_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--batch-size"):
        trained(tmp_path, batchnorm="train", batch=1)
