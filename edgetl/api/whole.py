"""All stages in a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from edgetl.api.given import Place, watched
from edgetl.api.training import Training
from edgetl.api.training import settings as training_settings
from edgetl.defaults import RUN_BENCH_S, RUN_CHECK_S, RUN_QUANTIZE_S, RUN_TRAINING_SHARE, TARGET

if TYPE_CHECKING:
    from edgetl.artifacts import Artifact, RunResult
    from edgetl.pipeline import RunSettings
    from edgetl.progress import Progress
    from edgetl.quantization.stage import QuantizeSettings
    from edgetl.training.settings import FinetuneSettings


def run(
    data: Place | None = None,
    *,
    target: str = TARGET,
    providers: Sequence[str] = (),
    max_drop: float | str | None = None,
    accept_unproven: bool = False,
    out: Place | None = None,
    force: bool = False,
    progress: Progress | None = None,
    **training: Unpack[Training],
) -> RunResult:
    """Return all artifacts of the whole job: finetune, export, quantize, bench and check; ``check`` has the verdict.

    A stage whose inputs have not changed keeps its result, unless ``force`` repeats all. ``data``, ``out`` and
    ``training`` are those of `finetune`, ``max_drop`` and ``accept_unproven`` those of `quantize`; ``time_budget`` is
    for all stages. Raises what the stages raise.
    """
    from edgetl import pipeline
    from edgetl.latest import remembering
    from edgetl.quantities import fraction
    from edgetl.quantization.stage import QuantizeSettings
    from edgetl.reporting import terminal

    tuning = training_settings(data, out, training)
    search = QuantizeSettings(tuning.run, target, fraction(max_drop), accept_unproven=accept_unproven)
    asked = _settings(tuning, search, tuple(providers), force)
    with remembering(asked.folder), watched(progress) as watching:

        def finished(artifact: Artifact, kept: bool) -> None:
            watching.remark(terminal.summary(artifact, kept))

        return pipeline.run(asked, watching, finished)


def _settings(
    tuning: FinetuneSettings, search: QuantizeSettings, providers: tuple[str, ...], force: bool
) -> RunSettings:
    from dataclasses import replace

    from edgetl.gate.stage import CheckSettings
    from edgetl.measure.bench import BenchSettings
    from edgetl.pipeline import RunSettings

    folder, scale = tuning.run, 1.0
    if tuning.time_budget_s is not None:
        measuring_s = RUN_QUANTIZE_S + RUN_BENCH_S + RUN_CHECK_S
        scale = (1 - RUN_TRAINING_SHARE) * tuning.time_budget_s / measuring_s
        tuning = replace(tuning, time_budget_s=RUN_TRAINING_SHARE * tuning.time_budget_s)
    return RunSettings(
        finetune=tuning,
        quantize=replace(search, time_budget_s=scale * RUN_QUANTIZE_S),
        # No target, as by default in their own commands: that of quantize holds, and what they did there is kept here.
        bench=BenchSettings(run=folder, providers=providers, time_budget_s=scale * RUN_BENCH_S),
        check=CheckSettings(run=folder, time_budget_s=scale * RUN_CHECK_S),
        force=force,
    )
