"""The chain of files from the images to the chosen model, each checked by its SHA-256."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgetl.artifacts import ExportResult, FinetuneResult, QuantizeResult
from edgetl.files import sha256_file
from edgetl.gather.values import Link, State


def chain(
    folder: Path, finetune: FinetuneResult | None, export: ExportResult | None, quantize: QuantizeResult | None
) -> tuple[Link, ...]:
    """Return the files of a run in the order in which one was made from the other."""
    return tuple(_links(folder, finetune, export, quantize))


def _links(
    folder: Path, finetune: FinetuneResult | None, export: ExportResult | None, quantize: QuantizeResult | None
) -> Iterator[Link]:
    if finetune is not None:
        yield _link(folder, "classifier", finetune.classifier, "finetune", finetune.sha256, finetune.data_sha256)
    if export is not None:
        yield _link(folder, "fp32 model", export.model, "export", export.sha256, export.parent_sha256)
    if quantize is not None:
        chosen = quantize.candidate(quantize.chosen)
        if chosen.path and (export is None or chosen.sha256 != export.sha256):
            yield _link(folder, "chosen model", chosen.path, "quantize", chosen.sha256, quantize.parent_sha256)


def _link(folder: Path, what: str, file: str, command: str, sha256: str, parent: str) -> Link:
    path = folder / file
    state: State = "missing"
    if path.is_file():
        state = "unchanged" if sha256_file(path) == sha256 else "changed"
    return Link(what, file, command, sha256, parent, state)
