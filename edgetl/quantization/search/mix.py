"""The third phase: where float operators between int8 ones eat up what int8 gains, the mix that is measured fastest."""

from __future__ import annotations

from dataclasses import replace

from edgetl.measure.interleave import MIN_RUNS, VISIT_NS
from edgetl.measure.statistics import Estimate
from edgetl.quantization.pairs import in_float
from edgetl.quantization.search import blocks
from edgetl.quantization.search.blocks import Block, Mix
from edgetl.quantization.search.contest import MIN_ROUNDS
from edgetl.quantization.search.field import Field, variant, with_file
from edgetl.quantization.search.trial import Trial

# int8 that is this much faster than float on the same provider has no islands worth looking for.
ENOUGH = 1.25
# How long the mixes that teach the model are timed, in parts of the time left, and at most.
TEACHING_SHARE, TEACHING_S, NEEDED_S = 0.5, 20.0, 12.0
PROPOSED = 2
# What a worker takes: seconds until it is warm, bytes without a network, and copies of a network's file.
WARM_S, WORKER_BYTES, MODEL_COPIES = 0.6, 150 << 20, 3
MEMORY_SHARE, FEWEST_BLOCKS = 0.5, 3


def mix(field: Field) -> None:
    """Add, for each provider on which int8 gains little, the mixes of int8 and float blocks that should be fastest."""
    for provider in dict.fromkeys(trial.candidate.provider for trial in field.trials):
        int8, other = _fastest(field, provider, quantized=True), _fastest(field, provider, quantized=False)
        if int8 is None or other is None or int8.ratio < other.ratio / ENOUGH:
            continue
        # The other half of a mix is float: nothing can be faster than the better half everywhere, by far.
        if min(int8.ratio, other.ratio) > ENOUGH * field.best() or field.clock.left < NEEDED_S:
            continue
        if int8.accuracy is None:
            int8 = field.add(field.contest.judge(int8))
        if field.rules.admit(int8):
            _mix(field, int8, other)


def _fastest(field: Field, provider: str, *, quantized: bool) -> Trial | None:
    """Return the fastest trial on ``provider`` that is admitted or was too slow to be judged.

    It is an int8 one that can be taken apart, or a float one.
    """
    # By definition as fast as itself.
    baseline = replace(field.contest.baseline, latency=Estimate(1.0, 1.0, 1.0, 1.0))
    rivals = [each for each in (baseline, *field.able) if each.candidate.provider == provider]
    if quantized:
        able = [each for each in rivals if each.recipe is not None and field.workshop.can_be_taken_apart(each.recipe)]
    else:
        able = [each for each in rivals if each.recipe is None]
    open_ones = (each for each in able if each.latency and (each.accuracy is None or field.rules.admit(each)))
    return min(open_ones, key=lambda each: each.ratio, default=None)


def _mix(field: Field, int8: Trial, other: Trial) -> None:
    assert int8.recipe is not None
    most = _most_blocks(field, other)
    if most < FEWEST_BLOCKS:
        return
    _, model = field.workshop.taken_apart(int8.recipe)
    parts = blocks.blocks(model, most)
    timed = _teach(field, int8, other, parts)
    if not timed:
        return
    float_only = (False,) * len(parts)
    # What was timed already, the fastest one, besides what the model proposes.
    found = min((each for each in timed if each != float_only), key=timed.__getitem__)
    chosen = [*blocks.proposals(timed, PROPOSED), *([found] if timed[found] < timed[float_only] else [])]
    for number, each in enumerate(chosen):
        if field.clock.left <= 0:
            return
        field.progress.step("mix int8 and float", number, len(chosen))
        mixed = _mixed(field, int8, other, parts, each)
        if mixed is not int8:
            field.add(field.contest.try_out(mixed, field.race_seconds(0.2), field.best()))
    field.progress.step("mix int8 and float", len(chosen), len(chosen))


def _most_blocks(field: Field, other: Trial) -> int:
    """Return how many blocks there is time and memory for; each takes two workers."""
    seconds = min(TEACHING_SHARE * field.clock.left, TEACHING_S)
    visit_ns = max(VISIT_NS, MIN_RUNS * (field.contest.baseline.latency_p50_ns or 0.0))
    worker_s = WARM_S + 2 * MIN_ROUNDS * visit_ns / 1e9
    most = min(blocks.MAX_BLOCKS, int(seconds / worker_s / 2) - 2)
    memory = field.contest.machine.get("memory_bytes")
    if isinstance(memory, int) and other.model is not None:
        each = WORKER_BYTES + MODEL_COPIES * other.model.stat().st_size
        most = min(most, int(MEMORY_SHARE * memory / each / 2) - 2)
    return most


def _teach(field: Field, int8: Trial, other: Trial, parts: tuple[Block, ...]) -> dict[Mix, float]:
    """Return the latencies of a few mixes, all timed in turns; empty where they could not all be timed."""
    mixes = blocks.first_mixes(len(parts))
    trials = {each: _mixed(field, int8, other, parts, each) if any(each) else other for each in mixes}
    seconds = min(TEACHING_SHARE * field.clock.left, TEACHING_S)
    raced = field.contest.race(f"mixes of {int8.name}", list(trials.values()), seconds)
    ratios = {trial.name: trial.ratio for trial in raced}
    timed = {each: ratios[trial.name] for each, trial in trials.items() if trial.name in ratios}
    # The model has a gain for each block and two constants.
    return timed if len(timed) >= len(parts) + 2 and mixes[0] in timed else {}


def _mixed(field: Field, int8: Trial, other: Trial, parts: tuple[Block, ...], mix: Mix) -> Trial:
    """Return the trial of a mix whose float blocks are in the precision of ``other``."""
    assert int8.recipe is not None
    precision = "int8+bf16" if other.candidate.precision == "bf16" else "int8"
    if all(mix) and precision == int8.candidate.precision:
        return int8
    names = sorted(blocks.float_nodes(parts, mix))
    trial = variant(int8, "mix" + "".join(str(int(each)) for each in mix), names, precision)
    assert trial.recipe is not None
    quantized, model = field.workshop.taken_apart(int8.recipe)
    return with_file(trial, field.workshop.put(trial.recipe, in_float(quantized, model, names)))
