"""The `finetune` stage: from images and source weights to a trained classifier in the run's folder."""

from __future__ import annotations

import importlib.util
import time
from dataclasses import asdict

import numpy as np

from edgetl import __version__, backbones, classifier, heads, run, weights
from edgetl.artifacts import FinetuneResult
from edgetl.dataset import Dataset, scan
from edgetl.dataset.values import FILE as DATA_FILE
from edgetl.errors import UsageError, nearest
from edgetl.files import replacing_together, sha256_file
from edgetl.progress import Progress
from edgetl.training.settings import FinetuneSettings

# The folder of a run that holds the checkpoint and the metrics of a long training.
TRAINING = "training"
NEEDED = ("torch", "torchvision", "safetensors", "onnx")


def read_data(settings: FinetuneSettings, progress: Progress) -> Dataset:
    """Return the data set that ``settings`` name; raises DataError."""
    return scan(settings.data, seed=settings.seed, strict=settings.strict, progress=progress)


def inputs_hash(settings: FinetuneSettings, dataset: Dataset) -> str:
    """Return the hash of all that decides the result, without loading torch; raises UsageError for an unknown name."""
    chosen = backbones.backbone(settings.arch)
    source = weights.identity(settings.source, chosen)
    told = [settings.strategy, str(heads.parse(settings.head)), settings.seed, asdict(settings.hyper)]
    return run.digest(__version__, dataset.sha256, chosen.name, source, told, settings.time_budget_s)


def finetune(settings: FinetuneSettings, progress: Progress, dataset: Dataset | None = None) -> FinetuneResult:
    """Return the trained classifier, written into ``settings.run`` together with its data set.

    ``dataset`` is what `read_data` gave, if it was read already. An interrupted training leaves what the run held
    before. Raises UsageError for bad input of any kind.
    """
    start = time.perf_counter()
    backbone, head = backbones.backbone(settings.arch), heads.parse(settings.head)
    _require_torch()
    from edgetl.training.phases import Phases

    phases = Phases()
    if dataset is None:
        with phases("data"):
            dataset = read_data(settings, progress)
    inputs = inputs_hash(settings, dataset)
    with phases("import torch"):
        from edgetl.training.strategies import STRATEGIES
        from edgetl.training.task import Task
    if settings.strategy not in STRATEGIES:
        hint = nearest(settings.strategy, STRATEGIES)
        raise UsageError(f"Unknown strategy '{settings.strategy}'.{hint} Known are {', '.join(STRATEGIES)}.")
    with phases("weights"):
        source = weights.load(settings.source, backbone, seed=settings.seed, progress=progress)
    task = Task(
        dataset,
        backbone,
        source,
        head,
        settings.seed,
        progress,
        phases,
        folder=settings.run / TRAINING,
        hyper=settings.hyper,
        resume=settings.resume,
        time_budget_s=settings.time_budget_s,
    )
    trained = STRATEGIES[settings.strategy](task)
    value = classifier.Classifier(
        arch=backbone.name, head=str(head), classes=dataset.classes, preprocess=backbone.preprocess
    )
    with replacing_together(settings.run) as folder:
        with phases("save"):
            classifier.save(folder / classifier.FILE, value, trained.tensors)
            dataset.save(folder)
        right = int(np.sum(trained.val_logits.argmax(1) == dataset.labels(dataset.val)))
        result = FinetuneResult(
            run=str(settings.run),
            inputs=inputs,
            seconds=time.perf_counter() - start,
            arch=backbone.name,
            weights=settings.source,
            weights_sha256=source.sha256,
            classes=dataset.classes,
            strategy=settings.strategy,
            head=str(head),
            seed=settings.seed,
            train_images=len(dataset.train),
            val_images=len(dataset.val),
            skipped_images=len(dataset.skipped),
            train_accuracy=float(np.mean(trained.train_logits.argmax(1) == dataset.labels(dataset.train))),
            val_accuracy=right / len(dataset.val),
            val_accuracy_ci=_wilson(right, len(dataset.val)),
            classifier=classifier.FILE,
            sha256=sha256_file(folder / classifier.FILE),
            preprocess=value.model_dump(mode="json")["preprocess"],
            data=DATA_FILE,
            data_sha256=dataset.sha256,
            phases=phases.seconds,
        )
        result.save(folder)
    return result


def _wilson(right: int, images: int) -> tuple[float, float]:
    # Imported late: it brings scipy.stats, which is not needed to find out that a setting is wrong.
    from edgetl.measure.statistics import wilson

    return wilson(right, images)


def _require_torch() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"Training needs {', '.join(missing)}, not installed here. Run: pip install 'edgetl[train]'")
