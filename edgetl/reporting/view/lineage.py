"""Where it comes from and how to make it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from edgetl.artifacts import Artifact, FinetuneResult
from edgetl.dataset import Dataset
from edgetl.gather.values import Gathered, Link
from edgetl.reporting.machine import machine
from edgetl.reporting.view.blocks import Block, Cell, Column, Commands, Notes, Section, Tone, table
from edgetl.reporting.view.figures import short

READING = (
    "Each file names what it was made from by its SHA-256, a fingerprint of its content. The files were read for this "
    "report: unchanged means that they still are what was measured."
)
TONES: dict[str, Tone] = {"unchanged": "pass", "changed": "fail", "missing": "inconclusive"}


def section(run: Gathered) -> Section:
    """Return the chain of files, the versions and machines, and the commands."""
    links: list[Column[Link]] = [
        Column("what", lambda each: each.what, numeric=False),
        Column("file", lambda each: Cell(each.file, code=True), numeric=False),
        Column("SHA-256", lambda each: Cell(short(each.sha256), code=True), numeric=False),
        Column("made from", lambda each: Cell(short(each.parent), code=True), numeric=False),
        Column("now", lambda each: Cell(each.state, TONES[each.state]), numeric=False),
    ]
    stages: list[Column[Artifact]] = [
        Column("stage", lambda each: each.FILE.removesuffix(".json"), numeric=False),
        Column("made (UTC)", lambda each: each.created[:19].replace("T", " "), numeric=False),
        Column("seconds", lambda each: f"{each.seconds:.1f}"),
        Column("edgetl", lambda each: each.edgetl, numeric=False),
    ]
    done = [
        each
        for each in (run.finetune, run.evaluation, run.export, run.quantize, run.bench, run.check)
        if each is not None
    ]
    blocks: list[Block] = [
        table("The chain of files", links, run.chain) if run.chain else Notes(("It holds no files of its own.",)),
        table("The stages", stages, done),
        Notes(tuple(_facts(run))),
        Commands("To make it again", tuple(commands(run))),
    ]
    return Section("lineage", "Where it comes from", READING, tuple(blocks))


def commands(run: Gathered) -> Iterator[str]:
    """Yield the command lines that make this run again, as far as its files tell."""
    out = shlex.quote(run.name)
    if run.finetune is not None:
        yield _finetune(run.finetune, run.dataset, out)
    if run.export is not None:
        if run.finetune is None:
            yield f"edgetl quantize MODEL.onnx --calibration IMAGES --run {out}"
        else:
            yield f"edgetl export --run {out}" + (" --calibrated" if run.export.temperature != 1.0 else "")
    if run.quantize is not None and run.finetune is not None:
        yield f"edgetl quantize --run {out} --target {shlex.quote(run.quantize.target)}"
    if run.bench is not None:
        yield f"edgetl bench --run {out}"
    if run.check is not None:
        sides = f" --baseline {shlex.quote(run.check.baseline)} --candidate {shlex.quote(run.check.candidate)}"
        yield f"edgetl check --run {out}{sides}"
    yield f"edgetl report {out}"


def _finetune(done: FinetuneResult, data: Dataset | None, out: str) -> str:
    given = {
        "arch": done.arch,
        "weights": done.weights,
        "strategy": done.strategy,
        "head": done.head,
        "seed": str(done.seed),
    }
    if data is not None and data.source != "demo":
        given = {"data": data.root} | given
    return f"edgetl finetune {' '.join(f'--{name} {shlex.quote(value)}' for name, value in given.items())} --out {out}"


def _facts(run: Gathered) -> Iterator[str]:
    if run.dataset is not None:
        data = run.dataset
        yield (
            f"Images: {len(data.train)} for training, {len(data.val)} for validation, {len(data.test)} for testing, in "
            f"{len(data.classes)} classes; fingerprint {short(data.sha256)}."
        )
        if data.leaks:
            yield f"Pictures that stand in two splits: {len(data.leaks)}. What is measured on them was learnt."
    if run.finetune is not None and run.finetune.weights_sha256:
        yield f"Source weights: {run.finetune.weights}, SHA-256 {short(run.finetune.weights_sha256)}."
    for name, result in (("bench", run.bench), ("check", run.check)):
        if result is not None:
            yield f"Machine of {name}: {machine(result.machine)}."
