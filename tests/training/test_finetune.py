"""The `finetune` stage as a whole, on small pictures; and on real photos where there are any."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from edgetl import classifier, runs  # noqa: E402
from edgetl.artifacts import FinetuneResult  # noqa: E402
from edgetl.dataset import Dataset  # noqa: E402
from edgetl.errors import DataError, Interruption, UsageError, WeightsError  # noqa: E402
from edgetl.evaluation import Evaluation  # noqa: E402
from edgetl.training.adapt import stage  # noqa: E402
from edgetl.training.descent import loop  # noqa: E402
from edgetl.training.features import forward  # noqa: E402
from edgetl.training.features.forward import Images  # noqa: E402
from edgetl.training.finetune import finetune, inputs_hash, read_data  # noqa: E402
from edgetl.training.heads import probe  # noqa: E402
from edgetl.training.hyper import Hyper  # noqa: E402
from edgetl.training.settings import Adapt, FinetuneSettings  # noqa: E402
from edgetl.training.strategies import STRATEGIES, auto, estimate, gradient, ladder, outputs  # noqa: E402
from tests.photos import Remarks, class_folders  # noqa: E402

pytestmark = [pytest.mark.training, pytest.mark.engine]


@pytest.fixture
def settings(tmp_path: Path) -> FinetuneSettings:
    photos = class_folders(tmp_path / "photos", {"red": 12, "green": 12, "blue": 12})
    return FinetuneSettings(run=tmp_path / "run", data=photos, arch="squeezenet1_1", weights="none")


def test_the_run_holds_a_classifier_that_is_as_good_as_it_says(settings: FinetuneSettings) -> None:
    result = finetune(settings, Remarks())
    assert runs.finetuned(settings.run) == result
    assert result.classes == ("blue", "green", "red")
    assert (result.train_images, result.val_images) == (24, 6)
    assert result.val_accuracy == 1.0
    low, high = result.val_accuracy_ci
    assert 0.5 < low < high <= 1.0
    assert {"features", "head", "save"} <= result.phases.keys()
    assert sum(result.phases.values()) <= result.seconds

    data = Dataset.load(settings.run)
    assert data.sha256 == result.data_sha256
    evaluation = Evaluation.load(settings.run)
    assert (evaluation.parent_sha256, evaluation.accuracy) == (result.sha256, result.val_accuracy)
    assert evaluation.temperature_from == "cross-validated training images"
    from edgetl.pixels import iter_pixels

    value, network = classifier.load(settings.run / result.classifier)
    ((_, pixels),) = iter_pixels(data.paths(data.val), value.preprocess)
    with torch.inference_mode():
        predicted = Images(network, value.preprocess)(torch.from_numpy(pixels)).argmax(1)
    assert predicted.tolist() == data.labels(data.val)


def test_the_same_seed_gives_the_same_file_with_a_cold_and_a_warm_cache(
    settings: FinetuneSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cold = finetune(settings, Remarks())
    warm = finetune(settings, Remarks())
    monkeypatch.setenv("EDGETL_CACHE", str(tmp_path / "another-cache"))
    cold_again = finetune(settings, Remarks())
    assert cold.sha256 == warm.sha256 == cold_again.sha256
    assert cold.inputs == warm.inputs


def test_a_second_run_computes_no_features(settings: FinetuneSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    finetune(settings, Remarks())
    monkeypatch.setattr(forward, "fastest", None)
    finetune(settings, Remarks())


def test_an_interrupted_training_leaves_the_run_as_it_was(
    settings: FinetuneSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    before = finetune(settings, Remarks())

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for owner, name in ((classifier, "save"), (Dataset, "save"), (FinetuneResult, "save"), (probe, "fit")):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(owner, name, interrupt)
            finetune(dataclasses.replace(settings, seed=1), Remarks())
        assert runs.finetuned(settings.run) == before
        assert sorted(path.name for path in settings.run.iterdir()) == [
            "classifier.safetensors",
            "data.json",
            "evaluation.json",
            "finetune.json",
        ]


def long(settings: FinetuneSettings, strategy: str, **changes: object) -> FinetuneSettings:
    """Return the settings of a training by gradients that is over in seconds."""
    import dataclasses

    hyper = Hyper(epochs=2, batch=8, augment="none", views=1)
    return dataclasses.replace(settings, strategy=strategy, hyper=hyper, **changes)  # type: ignore[arg-type]


def checkpoints(settings: FinetuneSettings) -> list[str]:
    return [path.parent.name for path in sorted(settings.run.rglob("checkpoint.pt"))]


def worth_trying_one_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `auto` train one stage and find that all others take too long."""
    monkeypatch.setattr(ladder, "can_be_beaten", lambda errors: True)
    monkeypatch.setattr(estimate, "seconds", lambda task, start, stages, choices: 1e6 * (stages - 1))


@pytest.mark.parametrize(("strategy", "where"), [("finetune", "training"), ("auto", "stages-1")])
def test_a_training_is_kept_until_its_result_is_saved(
    settings: FinetuneSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str, where: str
) -> None:
    worth_trying_one_stage(monkeypatch)
    new = class_folders(tmp_path / "new", {"any": 10}, seed=1)
    adapting = long(settings, strategy, adapt=Adapt(new, method="coral"))

    def fail(*_: object, **__: object) -> None:
        raise DataError("It fails.")

    remarks = Remarks()
    with monkeypatch.context() as patch, pytest.raises(DataError, match="It fails"):
        patch.setattr(stage, "adapt", fail)
        finetune(adapting, remarks)
    assert checkpoints(settings) == [where]
    assert "--resume" in remarks.remarks[-1]
    # Training it again would fail.
    monkeypatch.setattr(loop._Training, "_epoch", fail)
    result = finetune(long(settings, strategy, adapt=adapting.adapt, resume=True), Remarks())
    assert result.adaptation is not None
    assert checkpoints(settings) == []


@pytest.mark.parametrize(("method", "message"), [("bn", "no BatchNorm"), ("mcc", "at least 32"), ("magic", "Unknown")])
def test_an_adaptation_that_cannot_be_is_refused_before_the_training(
    settings: FinetuneSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, message: str
) -> None:
    monkeypatch.setattr("edgetl.training.strategies.STRATEGIES", dict.fromkeys(STRATEGIES))
    new = class_folders(tmp_path / "new", {"any": 10}, seed=1)
    with pytest.raises(UsageError, match=message):
        finetune(long(settings, "finetune", adapt=Adapt(new, method=method)), Remarks())
    assert not settings.run.exists()


def test_probabilities_are_not_judged_on_the_images_that_their_temperature_was_fitted_to(
    settings: FinetuneSettings,
) -> None:
    finetune(long(settings, "full"), Remarks())
    evaluation = Evaluation.load(settings.run)
    assert (evaluation.split, evaluation.temperature_from, evaluation.cross_fitted) == ("val", "val", True)


def test_an_interrupted_training_says_how_to_go_on(settings: FinetuneSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    original = loop._Training._epoch

    def epoch(self: loop._Training) -> None:
        if self.epoch == 1:
            raise KeyboardInterrupt
        original(self)

    with monkeypatch.context() as patch, pytest.raises(Interruption, match=r"so far\. The same command with --resume"):
        patch.setattr(loop._Training, "_epoch", epoch)
        finetune(long(settings, "finetune"), Remarks())
    assert runs.finetuned(settings.run).interrupted
    assert checkpoints(settings) == ["training"]
    finetune(long(settings, "finetune", resume=True), Remarks())
    assert checkpoints(settings) == []
    assert not runs.finetuned(settings.run).interrupted


def test_an_interruption_while_a_training_is_evaluated_keeps_it(
    settings: FinetuneSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else the probe might stay the best, and that is not evaluated here.
    monkeypatch.setattr(gradient.tuning, "fitted", gradient.tuning.random)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(Interruption, match=r"checkpoint in .* is kept.* --resume"):
        patch.setattr(outputs, "of_splits", interrupt)
        finetune(long(settings, "finetune"), Remarks())
    assert checkpoints(settings) == ["training"]
    monkeypatch.setattr(loop._Training, "_epoch", interrupt)
    finetune(long(settings, "finetune", resume=True), Remarks())
    assert checkpoints(settings) == []


@pytest.mark.parametrize("owner", ["probe on views", "estimate"])
def test_auto_promises_no_resume_before_there_is_a_checkpoint(
    settings: FinetuneSettings, monkeypatch: pytest.MonkeyPatch, owner: str
) -> None:
    import dataclasses

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    worth_trying_one_stage(monkeypatch)
    chosen = dataclasses.replace(long(settings, "auto"), hyper=Hyper(epochs=2, batch=8, augment="light", views=1))
    with monkeypatch.context() as patch, pytest.raises(Interruption, match="starts again, from cached") as caught:
        if owner == "estimate":
            patch.setattr(estimate, "seconds", interrupt)
        else:
            patch.setattr(auto, "_climb", interrupt)
        finetune(chosen, Remarks())
    assert "--resume" not in str(caught.value)
    assert runs.finetuned(settings.run).notes["chosen"] == "probe"
    finetune(chosen, Remarks())


def test_an_earlier_run_is_a_source_of_weights(settings: FinetuneSettings, tmp_path: Path) -> None:
    import dataclasses

    first = finetune(settings, Remarks())
    again = dataclasses.replace(settings, run=tmp_path / "second", weights=str(settings.run))
    second = finetune(again, Remarks())
    assert second.weights_sha256 == first.sha256
    with pytest.raises(WeightsError, match="--arch squeezenet1_1"):
        finetune(dataclasses.replace(again, arch="mobilenet_v3_small"), Remarks())


def test_the_hash_of_the_inputs_follows_everything_that_decides(settings: FinetuneSettings) -> None:
    import dataclasses

    data = read_data(settings, Remarks())
    first = inputs_hash(settings, data)
    assert inputs_hash(dataclasses.replace(settings, run=Path("elsewhere")), data) == first
    # A probe takes what it takes; a training by gradients ends with its time.
    assert inputs_hash(dataclasses.replace(settings, time_budget_s=60.0), data) == first
    whole = [dataclasses.replace(settings, strategy="full", time_budget_s=seconds) for seconds in (None, 60.0)]
    assert len({inputs_hash(each, data) for each in whole}) == 2
    others = [
        inputs_hash(dataclasses.replace(settings, seed=1), data),
        inputs_hash(dataclasses.replace(settings, arch="resnet18"), data),
        inputs_hash(dataclasses.replace(settings, head="mlp:8"), data),
        inputs_hash(dataclasses.replace(settings, strategy="finetune"), data),
        inputs_hash(dataclasses.replace(settings, hyper=Hyper(views=2)), data),
        inputs_hash(dataclasses.replace(settings, weights="imagenet"), data),
        inputs_hash(settings, data.model_copy(update={"sha256": "other"})),
    ]
    assert len({first, *others}) == 1 + len(others)


def test_the_hash_of_a_finished_run_is_that_of_its_settings(settings: FinetuneSettings) -> None:
    result = finetune(settings, Remarks())
    assert result.inputs == inputs_hash(settings, read_data(settings, Remarks()))


BAD = {
    "arch": ({"arch": "resnet19"}, UsageError, "resnet18|resnet1"),
    "strategy": ({"strategy": "prob"}, UsageError, "Did you mean 'probe'"),
    "head": ({"head": "mlp"}, UsageError, "mlp:256"),
    "stages": ({"strategy": "finetune", "hyper": Hyper(stages=99)}, UsageError, "squeezenet1_1 has"),
    "resume": ({"strategy": "full", "resume": True}, UsageError, "no checkpoint"),
    "data": ({"data": Path("nowhere")}, DataError, "nowhere"),
    "weights": ({"weights": "nowhere.pth"}, WeightsError, "nowhere.pth"),
}


@pytest.mark.parametrize(("change", "error", "message"), BAD.values(), ids=BAD)
def test_bad_settings_are_refused_and_leave_no_run(
    settings: FinetuneSettings, change: dict[str, object], error: type[UsageError], message: str
) -> None:
    import dataclasses

    with pytest.raises(error, match=message) as caught:
        finetune(dataclasses.replace(settings, **change), Remarks())  # type: ignore[arg-type]
    assert caught.value.exit_code == 2
    assert not settings.run.exists()


def test_without_torch_the_extra_is_named(settings: FinetuneSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"edgetl\[train\]"):
        finetune(settings, Remarks())


@pytest.mark.realdata
def test_hymenoptera_reaches_the_tutorials_accuracy(shared_data: Path, tmp_path: Path) -> None:
    result = finetune(
        FinetuneSettings(
            run=tmp_path / "run",
            data=shared_data / "datasets" / "hymenoptera",
            weights=str(shared_data / "weights" / "mobilenet_v2-imagenet1k.pth"),
        ),
        Remarks(),
    )
    assert result.val_accuracy >= 0.94
    assert (result.train_images, result.val_images, result.skipped_images) == (244, 153, 1)
