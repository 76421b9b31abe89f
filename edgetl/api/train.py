"""Choosing a backbone and training a head on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from edgetl.api.given import Duration, Place, path, watched
from edgetl.api.training import Training, settings
from edgetl.defaults import RANK_S, TARGET

if TYPE_CHECKING:
    from edgetl.artifacts import FinetuneResult
    from edgetl.progress import Progress
    from edgetl.ranking.values import RankResult


def finetune(
    data: Place | None = None,
    *,
    out: Place | None = None,
    progress: Progress | None = None,
    **training: Unpack[Training],
) -> FinetuneResult:
    """Return the classifier trained on ``data``, written into a run's folder, which is the last run from now on.

    ``data`` is a folder of class folders or a CSV or JSONL manifest, None the embedded demo images; ``out`` the run's
    folder, by default ``runs/<data>-<arch>``. ``training`` takes ``arch``, ``weights``, ``head``, ``strategy``,
    ``unfreeze``, ``epochs``, ``batch_size``, ``lr``, ``patience``, ``batchnorm``, ``class_weights``,
    ``label_smoothing``, ``augment``, ``views``, ``time_budget``, ``resume``, ``seed``, ``strict``, ``adapt_to``,
    ``adapt_check`` and ``adapt_method``: see `edgetl.api.training.Training`. Raises UsageError for bad input of any
    kind; an interrupted training by gradients raises Interruption after it has written its best so far.
    """
    from edgetl.latest import remembering
    from edgetl.training.finetune import finetune as stage

    chosen = settings(data, out, training)
    with remembering(chosen.run), watched(progress) as watching:
        return stage(chosen, watching)


def rank(
    data: Place | None = None,
    *,
    target: str = TARGET,
    archs: Sequence[str] = (),
    weights: Sequence[str] = (),
    time_budget: Duration = RANK_S,
    seed: int = 0,
    strict: bool = False,
    progress: Progress | None = None,
) -> RankResult:
    """Return the backbones worth a choice: accuracy on ``data`` by cross-validation, latency measured for ``target``.

    ``archs`` of () are all; ``weights`` are "imagenet", "embedded" or "none" for all backbones, or "ARCH=FILE" for one.
    No other backbone is begun after ``time_budget``. Raises UsageError for bad input, MeasureError where nothing could
    be measured.
    """
    from edgetl.quantities import seconds
    from edgetl.ranking.stage import rank as stage
    from edgetl.ranking.values import RankSettings

    asked = RankSettings(
        data=path(data),
        target=target,
        archs=tuple(archs),
        weights=tuple(weights),
        time_budget_s=seconds(time_budget, default=RANK_S),
        seed=seed,
        strict=strict,
    )
    with watched(progress) as watching:
        return stage(asked, watching)
