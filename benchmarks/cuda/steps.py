"""What is measured, in the order of its importance: each step goes over all networks before the next is begun."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.cuda import limits, training
from benchmarks.cuda.contenders import CALL, COPIES, DEVICE, Candidate, Torch, compiled, eager
from benchmarks.cuda.networks import Images, Pixels, converted, export, network, pixels, quantized
from benchmarks.cuda.record import Record, Row
from benchmarks.cuda.scale import Scale
from benchmarks.cuda.timing import LEAST_DB, in_turns, latencies, sqnr_db
from edgetl.device import providers
from edgetl.device.providers import ModelError, ProviderUnavailable
from edgetl.device.providers.base import sentence
from edgetl.device.values import SessionSpec
from edgetl.measure.placement import mac_share

CHECKED, FINALISTS = 8, 3
ORT, TORCH, COMPILED, TENSORRT = "onnxruntime", "torch", "torch.compile", "tensorrt"
PRECISIONS = ("fp32", "TF32", "fp16")


@dataclass
class Subject:
    """A network under test: its layers, what its logits should be, its files, and what was timed of them.

    ``timed`` are the candidates with their rows; ``kept`` are torch's compiled networks by precision.
    """

    name: str
    network: nn.Module
    layers: tuple[limits.Layer, ...]
    images: Pixels
    logits: Any
    candidates: dict[str, Candidate]
    timed: list[tuple[Candidate, Row]] = field(default_factory=list)
    kept: dict[str, Images] = field(default_factory=dict)

    def best(self, batch: int = 1, precision: str = "") -> tuple[Candidate, Row] | None:
        """Return the fastest candidate of the ``batch`` (in this ``precision``, if any) with its row."""
        fitting = [
            (candidate, row)
            for candidate, row in self.timed
            if row["batch"] == batch and row["streams"] == 1 and precision in ("", candidate.precision)
        ]
        return min(fitting, key=lambda each: float(each[1]["p50_ms"]), default=None)

    def torch(self, precision: str, scale: Scale) -> Images:
        """Return the network for torch, on the device."""
        dtype = torch.float16 if precision == "fp16" else torch.float32
        return eager(Images(copy.deepcopy(self.network), dtype).eval(), scale)


class Bench:
    """The steps, on a machine of some ``scale``; files are made in ``folder``."""

    def __init__(self, scale: Scale, record: Record, folder: Path) -> None:
        self.scale, self.record, self.folder = scale, record, folder
        self.peaks: Mapping[str, float] = {}

    def run(self) -> None:
        """Do all steps, or those that there is time for; what a step raises ends only its part."""
        self.peaks = limits.peaks(self.scale)
        self.record.know(peaks=dict(self.peaks))
        subjects = [
            made for name in self.scale.models if (made := self._part("make", name, lambda n=name: self._made(n)))
        ]
        steps: list[tuple[str, Callable[[Subject], object]]] = [
            ("one image", self.one_image),
            ("settings", self.settings),
            ("compile", self.compile),
            ("side by side", self.side_by_side),
            ("training", self.train),
            *((f"batch {batch}", lambda each, batch=batch: self.batches(each, batch)) for batch in self.scale.batches),
            ("compile batches", self.compile_batch),
            ("streams", self.streams),
            ("tensorrt", self.tensorrt),
        ]
        for name, step in steps:
            # Training is of one network, not of each.
            for subject in subjects[:1] if name == "training" else subjects:
                self._part(name, subject.name, lambda step=step, subject=subject: step(subject))

    def one_image(self, subject: Subject) -> None:
        """Each file as it is, with images that come in three ways; torch beside it."""
        for file, candidate in subject.candidates.items():
            for binding in (DEVICE, CALL, COPIES) if file in ("fp32", "fp16 converted") else (DEVICE,):
                self._time(subject, candidate, 1, binding)
            if file == "fp32":
                self._time(
                    subject, replace(candidate, precision="TF32", setting="TF32", options=self._tf32()), 1, DEVICE
                )
        for precision in PRECISIONS:
            self._time_torch(subject, TORCH, precision, 1, subject.torch(precision, self.scale))

    def settings(self, subject: Subject) -> None:
        """Each setting of a session, on the float file and on the better one of half precision."""
        best = subject.best(precision="fp16")
        for candidate in [subject.candidates["fp32"], *([best[0]] if best else [])]:
            for name, options in self.scale.settings.items():
                tf32 = "use_tf32" in options
                if tf32 and (candidate.precision == "fp16" or options == self._tf32()):
                    continue
                precision = "TF32" if tf32 else candidate.precision
                self._time(subject, replace(candidate, precision=precision, setting=name, options=options), 1, DEVICE)

    def compile(self, subject: Subject) -> None:
        """torch.compile in half precision, one image; TF32 where there is time at the end."""
        subject.kept["fp16"] = compiled(subject.torch("fp16", self.scale), self.scale)
        self._time_torch(subject, COMPILED, "fp16", 1, subject.kept["fp16"])

    def side_by_side(self, subject: Subject) -> None:
        """The fastest candidates, the baseline and torch in turns; the fastest of these candidates is chosen."""
        one = subject.images[:1].copy()
        fastest = sorted(subject.timed, key=lambda each: float(each[1]["p50_ms"]))
        fastest = [each for each in fastest if each[1]["batch"] == each[1]["streams"] == 1][:FINALISTS]
        sessions: dict[tuple[str, str, str], Any] = {
            (ORT, candidate.file, f"{candidate.setting} {row['binding']}".strip()): candidate.open(
                self.scale, 1, row["binding"]
            )
            for candidate, row in fastest
        }
        sessions.setdefault((ORT, "fp32", DEVICE), subject.candidates["fp32"].open(self.scale, 1, DEVICE))
        for precision in PRECISIONS:
            images = subject.torch(precision, self.scale)
            sessions[TORCH, precision, ""] = Torch(images, self.scale.device, tf32=precision == "TF32", resident=True)
        if "fp16" in subject.kept:
            sessions[COMPILED, "fp16", ""] = Torch(subject.kept["fp16"], self.scale.device, tf32=False, resident=True)
        names = {" ".join(key): key for key in sessions}
        found = in_turns({name: sessions[key] for name, key in names.items()}, one, self.scale.seconds)
        chosen = min((name for name, key in names.items() if key[0] == ORT), key=lambda name: found[name])
        for name, (engine, file, setting) in sorted(names.items(), key=lambda item: found[item[0]]):
            about = {"model": subject.name, "engine": engine, "file": file, "setting": setting, "batch": 1}
            figures = {"ms": found[name], "ratio": found[name] / found[chosen], "chosen": name == chosen}
            self.record.add({"part": "side by side", **about, **figures, "status": "measured"})

    def train(self, _subject: Subject) -> None:
        """Each loop of training."""
        for name, measure in training.loops(self.scale).items():
            about = {"part": "training", "model": self.scale.trained, "loop": name, "batch": self.scale.train_batch}
            self._kept(about, lambda measure=measure: {"images_per_s": measure()})

    def batches(self, subject: Subject, batch: int) -> None:
        """The best setting of each precision, with this batch, and torch."""
        for precision in (*PRECISIONS, "int8"):
            best = subject.best(precision=precision)
            if best:
                self._time(subject, best[0], batch, DEVICE)
            if precision != "int8":
                self._time_torch(subject, TORCH, precision, batch, subject.torch(precision, self.scale))

    def compile_batch(self, subject: Subject) -> None:
        """torch.compile in half precision at the batch of the most images a second, and in TF32 at one image."""
        rows = [row for _, row in subject.timed if row["streams"] == 1]
        batch = max(rows, key=lambda row: float(row["images_per_s"]))["batch"] if rows else 1
        for precision, size in (("fp16", batch), ("TF32", 1)):
            images = compiled(subject.torch(precision, self.scale), self.scale)
            self._time_torch(subject, COMPILED, precision, size, images)

    def streams(self, subject: Subject) -> None:
        """The best candidate, several at the same time; without CUDA graphs, of which a session has one."""
        from edgetl.device.throughput import run_streams

        usable = [
            (candidate, row)
            for candidate, row in subject.timed
            if "graph" not in candidate.setting and row["batch"] == 1
        ]
        if not usable:
            return
        candidate, _ = min(usable, key=lambda each: float(each[1]["p50_ms"]))
        for batch in (1, self.scale.batches[0]):
            given = _tiled(subject.images, batch)
            for streams in self.scale.streams:
                about = self._about(subject, candidate, batch, COPIES) | {"streams": streams}

                def measure(batch: int = batch, streams: int = streams, given: Pixels = given) -> Row:
                    session = candidate.open(self.scale, batch, COPIES, streams)
                    _, trial = run_streams(session, given, streams, 3)
                    count = max(3, round(3 * self.scale.seconds * 1e9 / max(trial, 1)))
                    images, elapsed = run_streams(session, given, streams, count)
                    rate = images / elapsed * 1e9
                    share = rate * self._ideal(subject, candidate.precision, batch) / batch
                    db = sqnr_db(session.run(subject.images), subject.logits)
                    per_run = elapsed / count / 1e6
                    return {"sqnr_db": db, "p50_ms": per_run, "p90_ms": None, "images_per_s": rate, "share": share}

                self._kept(about, measure)

    def tensorrt(self, subject: Subject) -> None:
        """TensorRT, which chooses the precision of each layer of the float file, and on the file of integers."""
        for file, precision in (("fp32", "fp16"), ("int8", "int8")):
            if file in subject.candidates:
                candidate = replace(subject.candidates[file], precision=precision, provider=TENSORRT)
                self._time(subject, candidate, 1, DEVICE)

    def _made(self, name: str) -> Subject:
        """Return a network with its files; one that cannot be made is a row."""
        scale, files = self.scale, self.folder
        made = network(name, scale.classes, scale.pixels)
        found = limits.layers(made, scale.pixels)
        fp32 = export(Images(copy.deepcopy(made), torch.float32).eval(), scale.pixels, files / f"{name}.onnx")
        images = pixels(CHECKED, scale.pixels)
        logits = providers.load(fp32, SessionSpec("cpu", options={"batch": str(CHECKED)})).run(images)
        candidates = {"fp32": Candidate("fp32", "fp32", fp32)}
        half = Images(copy.deepcopy(made).to(scale.device), torch.float16).to(scale.device).eval()
        makers: dict[str, tuple[str, Callable[[], Path]]] = {
            "fp16 converted": ("fp16", lambda: converted(fp32, files / f"{name}-converted.onnx")),
            "fp16 exported": ("fp16", lambda: export(half, scale.pixels, files / f"{name}-half.onnx")),
            "int8": ("int8", lambda: quantized(fp32, scale.pixels, files / f"{name}-int8.onnx")),
        }
        for file, (precision, make) in makers.items():
            path = self._part(f"make {file}", name, make)
            if path is not None:
                candidates[file] = Candidate(file, precision, path)
        return Subject(name, made, found, images, logits, candidates)

    def _time(self, subject: Subject, candidate: Candidate, batch: int, binding: str) -> None:
        def measure() -> Row:
            start = time.perf_counter()
            session = candidate.open(self.scale, batch, binding)
            ready = time.perf_counter() - start
            shares = mac_share(candidate.path, session.report)
            found = self._figures(subject, session, candidate.precision, batch)
            return found | {"load_s": ready, "placement": dict(session.report.placement), "mac_share": shares}

        row = self._kept(self._about(subject, candidate, batch, binding), measure)
        if row["status"] == "measured" and not candidate.provider:
            subject.timed.append((candidate, row))

    def _time_torch(self, subject: Subject, engine: str, precision: str, batch: int, images: Images) -> None:
        about = {"model": subject.name, "engine": engine, "file": precision, "setting": "", "precision": precision}
        session = Torch(images, self.scale.device, tf32=precision == "TF32", resident=True)
        self._kept(
            about | {"binding": DEVICE, "batch": batch, "streams": 1},
            lambda: self._figures(subject, session, precision, batch),
        )

    def _figures(self, subject: Subject, session: Any, precision: str, batch: int) -> Row:
        """Return what a session that computes what it should was timed at; else why it was not."""
        given = _tiled(subject.images, batch)
        logits = session.run(given)
        reference = np.resize(subject.logits, (batch, subject.logits.shape[1]))
        db = sqnr_db(logits, reference)
        if db < LEAST_DB[precision]:
            least = LEAST_DB[precision]
            return {
                "sqnr_db": db,
                "status": "wrong",
                "reason": f"Its logits are right to {db:.0f} dB, not {least:.0f}.",
            }
        found = latencies(session, given, self.scale.seconds)
        share = 1e3 * self._ideal(subject, precision, batch) / (found["p50_ms"] or 1.0)
        return {"sqnr_db": db, **found, "share": share}

    def _ideal(self, subject: Subject, precision: str, batch: int) -> float:
        return limits.ideal_s(subject.layers, batch, precision, self.peaks)

    def _about(self, subject: Subject, candidate: Candidate, batch: int, binding: str) -> Row:
        return {
            "model": subject.name,
            "engine": candidate.provider or ORT,
            "file": candidate.file,
            "setting": candidate.setting,
            "precision": candidate.precision,
            "binding": binding,
            "batch": batch,
            "streams": 1,
        }

    def _kept(self, about: Row, measure: Callable[[], Row]) -> Row:
        """Return the row of what ``measure`` finds, or of why it finds nothing."""
        if self.record.over:
            return self.record.add(about | {"status": "not tried", "reason": "The time was over."})
        try:
            return self.record.add({**about, "status": "measured", **measure()})
        except (ProviderUnavailable, ImportError) as error:
            return self.record.add(about | {"status": "unavailable", "reason": str(error)})
        except ModelError as error:
            return self.record.add(about | {"status": "refused", "reason": str(error)})
        except Exception as error:  # noqa: BLE001 - one that fails must not take the others' figures along
            reason = f"{type(error).__name__}: {sentence(error)}"
            return self.record.add(about | {"status": "failed", "reason": reason})

    def _part(self, name: str, model: str, step: Callable[[], Any]) -> Any:
        """Return what a step returns; None and a row where it fails, or there is no time for it."""
        if self.record.over:
            self.record.add({"part": name, "model": model, "status": "not tried", "reason": "The time was over."})
            return None
        try:
            return step()
        except Exception as error:  # noqa: BLE001 - as above
            reason = f"{type(error).__name__}: {sentence(error)}"
            self.record.add({"part": name, "model": model, "status": "failed", "reason": reason})
            return None

    def _tf32(self) -> Mapping[str, str]:
        # Of a CPU there is none: the same float32 twice.
        return self.scale.settings.get("TF32", {})


def _tiled(images: Pixels, batch: int) -> Pixels:
    """Return ``batch`` images, the same ones over and over."""
    return np.ascontiguousarray(np.resize(images, (batch, *images.shape[1:])))
