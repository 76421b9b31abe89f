"""The `finetune` stage: from images and source weights to a trained classifier in the run's folder."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from edgetl import __version__, backbones, classifier, heads, runs, weights
from edgetl.artifacts import FinetuneResult
from edgetl.dataset import Dataset, scan
from edgetl.dataset.values import FILE as DATA_FILE
from edgetl.errors import Interruption, UsageError, nearest
from edgetl.files import replacing_together, require_place, sha256_file
from edgetl.progress import Progress, Silent
from edgetl.training import unheard
from edgetl.training.adapt import target
from edgetl.training.adapt.target import Domain
from edgetl.training.distributed import joined
from edgetl.training.settings import FinetuneSettings

if TYPE_CHECKING:
    from edgetl.training.adapt.values import Adaptation
    from edgetl.training.task import Task, Trained

# The folder of a run that holds the checkpoint and the metrics of a long training.
TRAINING = "training"
NEEDED = ("torch", "torchvision", "safetensors", "onnx")
# What takes long to import and is needed before anything is trained.
IMPORTED = ("edgetl.training.strategies", "edgetl.torchvision_networks")
# What is needed in the end, and takes time as well.
EVALUATION = "edgetl.evaluation"


def read_data(settings: FinetuneSettings, progress: Progress) -> Dataset:
    """Return the data set that ``settings`` name; raises DataError."""
    return scan(settings.data, seed=settings.seed, strict=settings.strict, progress=progress)


def inputs_hash(settings: FinetuneSettings, dataset: Dataset, read: Domain | None = None) -> str:
    """Return the hash of all that decides the result, without loading torch; raises UsageError for an unknown name.

    ``read`` are the images to adapt to, if they were read already.
    """
    chosen = backbones.backbone(settings.arch)
    source = weights.identity(settings.source, chosen)
    told = [settings.strategy, str(heads.parse(settings.head)), settings.seed, asdict(settings.hyper)]
    domain = None
    if settings.adapt is not None:
        images, check = read or target.read(settings.adapt, dataset, Silent())
        places = [str(path) for each in (images, check) if each is not None for path in each.paths]
        domain = [settings.adapt.method, target.fingerprint(images, check), places]
    # Where the images are decides nothing, but later stages read them there.
    data = (dataset.sha256, dataset.root)
    # A probe takes what it takes.
    limit = None if settings.strategy == "probe" else settings.time_budget_s
    return runs.digest(__version__, data, chosen.name, source, told, limit, domain)


def finetune(settings: FinetuneSettings, progress: Progress, dataset: Dataset | None = None) -> FinetuneResult:
    """Return the trained classifier, written into ``settings.run`` together with its data set and its evaluation.

    ``dataset`` is what `read_data` gave, if it was read already. Of several processes started by torchrun, all return
    the result and the leading one writes it. A training by gradients that is interrupted (KeyboardInterrupt) writes the
    best so far and then raises an Interruption that says how to go on; an interruption before that leaves what the run
    held. Raises UsageError for bad input of any kind.
    """
    start = time.perf_counter()
    backbone, head = backbones.backbone(settings.arch), heads.parse(settings.head)
    _require_torch()
    require_place(settings.run)
    with joined() as world, _importing(*IMPORTED, EVALUATION) as importing:
        progress = world.progress(progress)
        if idle := unheard.remark(settings):
            progress.remark(idle)
        from edgetl.training.phases import Phases

        phases = Phases()
        if dataset is None:
            with phases("data"):
                # The demo images are drawn once, and what one process looked at is in the cache of the next.
                dataset = world.first_here(lambda: read_data(settings, progress))
        if world.broadcast(dataset.sha256) != dataset.sha256:
            raise UsageError("The processes see different images at --data. Give all machines the same files.")
        domain = None if settings.adapt is None else target.read(settings.adapt, dataset, progress)
        inputs = inputs_hash(settings, dataset, domain)
        with phases("import torch"):
            for name in IMPORTED:
                importing[name].result()
        from edgetl.training import task as tasks
        from edgetl.training.strategies import STRATEGIES

        if settings.strategy not in STRATEGIES:
            hint = nearest(settings.strategy, STRATEGIES)
            raise UsageError(f"Unknown strategy '{settings.strategy}'.{hint} Known are {', '.join(STRATEGIES)}.")
        with phases("weights"):
            source = world.first_here(
                lambda: weights.load(settings.source, backbone, seed=settings.seed, progress=progress)
            )
        task = tasks.Task(
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
            world=world,
        )
        try:
            return _result(settings, task, domain, inputs, start)
        except Interruption:
            raise
        except KeyboardInterrupt:
            raise _interruption(settings, task, saved=False) from None


def _result(settings: FinetuneSettings, task: Task, domain: Domain | None, inputs: str, start: float) -> FinetuneResult:
    """Return the result of the task; the checkpoints of its training are kept until it is saved."""
    from edgetl.training.descent import checkpoint
    from edgetl.training.strategies import STRATEGIES

    dataset, world = task.dataset, task.world
    if settings.adapt is not None and domain is not None:
        from edgetl.training.adapt.methods import require_possible

        # Nobody shall wait for a training to be told this.
        require_possible(settings.adapt.method, task, len(domain[0].paths))
    trained = STRATEGIES[settings.strategy](task)
    try:
        adaptation = None
        if settings.adapt is not None and domain is not None and not trained.interrupted:
            from edgetl.training.adapt.stage import adapt

            adapted = adapt(task, trained, *domain, settings.adapt.method)
            trained, adaptation = adapted.trained, adapted.adaptation
            dataset = target.added(dataset, *domain)
        saved = (
            _saved(settings, task, dataset, trained, adaptation, inputs, start).model_dump(mode="json")
            if world.leads
            else None
        )
    except Exception:
        if _checkpoints(settings, task):
            task.progress.remark("The training itself is kept: mend what follows and add --resume; it is not repeated.")
        raise
    if trained.interrupted:
        raise _interruption(settings, task, saved=True)
    for folder in _checkpoints(settings, task):
        checkpoint.remove(folder)
    return FinetuneResult.model_validate(world.broadcast(saved))


def _checkpoints(settings: FinetuneSettings, task: Task) -> list[Path]:
    """Return the folders with a checkpoint that the strategy goes on from with ``resume``; the leader has them."""
    from edgetl.training.descent import checkpoint
    from edgetl.training.strategies import auto

    below = {"probe": [], "auto": sorted(task.folder.glob(auto.FOLDERS))}
    folders = below.get(settings.strategy, [task.folder]) if task.world.leads else []
    return [folder for folder in folders if checkpoint.exists(folder)]


def _interruption(settings: FinetuneSettings, task: Task, *, saved: bool) -> KeyboardInterrupt:
    """Return what tells how to go on after an interruption; ``saved`` says that the run holds the best so far."""
    if not task.world.leads:
        return Interruption("Interrupted. The first process says what is kept.")
    kept = bool(_checkpoints(settings, task))
    if saved:
        again = "with --resume goes on from there" if kept else "starts again, from cached features"
        return Interruption(f"Interrupted. {settings.run} holds the best so far. The same command {again}.")
    if kept:
        # It may be that of an earlier training, with other settings, which this one had not yet replaced.
        return Interruption(
            f"Interrupted. The checkpoint in {task.folder} is kept: the command that wrote it goes on from there with "
            "--resume."
        )
    return KeyboardInterrupt()


def _saved(
    settings: FinetuneSettings,
    task: Task,
    dataset: Dataset,
    trained: Trained,
    adaptation: Adaptation | None,
    inputs: str,
    start: float,
) -> FinetuneResult:
    """Return the result, written into the run's folder with the classifier, its evaluation and its data set."""
    # Imported late: they are not needed to find out that a setting is wrong.
    from edgetl.evaluation import HeldOut, Lineage, evaluate
    from edgetl.measure.statistics import wilson

    backbone = task.backbone
    value = classifier.Classifier(
        arch=backbone.name, head=str(task.head), classes=dataset.classes, preprocess=backbone.preprocess
    )
    labels = dataset.labels(dataset.val)
    right = int(np.sum(trained.val_logits.argmax(1) == labels))
    # A training that was cut short is not what its inputs give: the next `edgetl run` shall not keep it.
    inputs = "" if trained.interrupted else inputs
    with replacing_together(settings.run) as folder:
        with task.phases("save"):
            classifier.save(folder / classifier.FILE, value, trained.tensors)
            dataset.save(folder)
            sha256 = sha256_file(folder / classifier.FILE)
        with task.phases("evaluate"):
            unseen = trained.unseen
            evaluate(
                trained.val_logits,
                labels,
                dataset.classes,
                [image.path for image in dataset.val],
                split="val",
                lineage=Lineage(str(settings.run), inputs, sha256),
                held_out=None if unseen is None else HeldOut(unseen.logits, unseen.labels, unseen.what),
                seed=task.seed,
            ).save(folder)
        result = FinetuneResult(
            run=str(settings.run),
            inputs=inputs,
            seconds=time.perf_counter() - start,
            arch=backbone.name,
            weights=settings.source,
            weights_sha256=task.weights.sha256,
            classes=dataset.classes,
            strategy=settings.strategy,
            head=str(task.head),
            seed=settings.seed,
            train_images=len(dataset.train),
            val_images=len(dataset.val),
            test_images=len(dataset.test),
            skipped_images=len(dataset.skipped),
            contradictory_images=len(dataset.contradictions()),
            train_accuracy=float(np.mean(trained.train_logits.argmax(1) == dataset.labels(dataset.train))),
            val_accuracy=right / len(dataset.val),
            val_accuracy_ci=wilson(right, len(dataset.val)),
            classifier=classifier.FILE,
            sha256=sha256,
            preprocess=value.model_dump(mode="json")["preprocess"],
            data=DATA_FILE,
            data_sha256=dataset.sha256,
            phases=task.phases.seconds,
            notes=dict(trained.notes),
            interrupted=trained.interrupted,
            adaptation=None if adaptation is None else adaptation.model_dump(mode="json"),
        )
        result.save(folder)
    return result


@contextlib.contextmanager
def _importing(*names: str) -> Iterator[Mapping[str, Future[ModuleType]]]:
    """Import modules one after the other, in a thread that nobody waits for where the block ends.

    It takes as long as looking at a few hundred images, and neither keeps both cores busy.
    """
    pool = ThreadPoolExecutor(1)
    try:
        yield {name: pool.submit(importlib.import_module, name) for name in names}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _require_torch() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"Training needs {', '.join(missing)}, not installed here. Run: pip install 'edgetl[train]'")
