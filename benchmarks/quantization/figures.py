"""Everything about one model: the search for each number of threads, the peers, accuracy, the races, the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.quantization import models, search
from benchmarks.quantization.contestant import Contestant
from benchmarks.quantization.images import Images, images_of
from benchmarks.quantization.judge import Judge, Judged, compared
from benchmarks.quantization.models import Case
from benchmarks.quantization.peers import FP32, peers
from benchmarks.quantization.race import Race, race
from benchmarks.quantization.search import Asked, Search
from edgetl.measure.statistics import Estimate

NEEDED = {"mobilenet_v3_small": 1.5}
"""How many times as fast as ONNX Runtime fp32 a choice has to be, where this project says so."""

Figures = dict[str, Any]


def measure(case: Case, folder: Path, budget: str | None, options: Sequence[str], *, again: bool = False) -> Figures:
    """Return all figures of ``case``; what can be made once is kept below ``folder``.

    ``budget`` is what `edgetl quantize` is told (None: by the network's size), ``options`` are more of its options.
    ``again`` also makes the peers' files again, for the seconds that they take.
    """
    run = models.run_of(case, folder)
    others, making = peers(run, folder / "peers" / case.name, again=again)
    told, *more = asked(case, budget, options)
    searches = {
        threads: search.search(run, folder / "searches" / f"{case.name}-{threads}", Asked(threads, told, tuple(more)))
        for threads in case.threads
    }
    with images_of(case, run, folder) as images:
        judge = Judge(others[0], images)
        verdicts = {each.name: judge.judged(each) for each in others}
        rows = [_threads(case, threads, searches[threads], verdicts, judge) for threads in case.threads]
    return {
        "model": case.name,
        "allowed": case.allowed,
        "images": len(images.labels),
        "views": images.views,
        "making": {name: asdict(each) for name, each in making.items()},
        "nncf_s": {name: making[name].process_s for name in ("nncf.zip", "nncf.onnx")},
        "peers": {name: _accuracy(each, case) for name, each in verdicts.items()},
        "threads": rows,
    }


def asked(case: Case, budget: str | None, options: Sequence[str]) -> list[str]:
    """Return the time that `edgetl quantize` is given for ``case``, and its other options."""
    return [budget or case.budget, *options]


def _threads(case: Case, threads: int, found: Search, verdicts: Mapping[str, Judged], judge: Judge) -> Figures:
    """Return the figures for one number of threads."""
    mine = {each.name: each for each in (found.choice, found.quantized) if each is not None}
    own = {name: judge.judged(each) for name, each in mine.items()}
    able = [each.contestant for each in verdicts.values() if not each.failure]
    twins = [each for each in able if found.choice.same_as(each)]
    # The same file, run in the same way, is one contestant.
    choice = twins[0] if twins else found.choice
    entered = able if twins else [*able, choice]
    held = race(entered, judge.images.pixels[:1], threads, case.race_s)
    keeping = [each.name for each in able if verdicts[each.name].keeps(case.allowed)]
    best = min(keeping, key=lambda name: held.ratio(name, FP32).value)
    int8 = own[found.quantized.name] if found.quantized else None
    int8_peers = [each for each in verdicts.values() if each.contestant.quantized and each.accuracy]
    int8_peer = min(int8_peers, key=_drop, default=None)
    ratio = held.ratio(choice.name, best)
    return {
        "threads": threads,
        "floor": held.floor,
        "noisy": held.noisy,
        "noise": _estimate(held.noise),
        "rounds": held.samples[FP32].rounds,
        "raced": {each.name: _timed(each, held) for each in entered},
        "chosen": found.result.chosen,
        "choice": _accuracy(own[found.choice.name], case) | _timed(choice, held),
        "best_peer": best,
        "same": choice.name == best,
        "ratio": _estimate(ratio),
        "not_slower": choice.name == best or held.not_slower(choice.name, best),
        "int8": None if int8 is None else _accuracy(int8, case),
        "best_int8_peer": int8_peer.contestant.name if int8_peer else None,
        "int8_against_peer": _against(int8, int8_peer, judge.images),
        "seconds": found.seconds,
        "seconds_to_choice": found.seen_s.get(found.result.chosen),
        "decided_s": found.decided_s,
        "candidates": [row.model_dump(mode="json") for row in found.result.candidates],
    }


def misses(figures: Figures) -> list[str]:
    """Return what this model misses of what the project wants, as sentences; drops are judged as seen.

    A peer that gains by luck sets no standard: int8 need not lose less than nothing. Where it loses more than a peer
    the sentence has the interval of the difference, which says whether so many images tell.
    """
    name, found = figures["model"], []
    for row in figures["threads"]:
        where = f"{name}, {row['threads']} {'thread' if row['threads'] == 1 else 'threads'}"
        drop, int8, against = row["choice"]["drop"], row["int8"], row["int8_against_peer"]
        peer = figures["peers"].get(row["best_int8_peer"], {"drop": None})["drop"]
        if row["noisy"]:
            found.append(f"{where}: the race was too noisy to tell (a floor of {row['floor']:.2f}): measure it again")
        elif not row["not_slower"]:
            found.append(f"{where}: {row['ratio']['value']:.3f} times the latency of {row['best_peer']}")
        if drop is None or drop > figures["allowed"] + 1e-9:
            found.append(f"{where}: the choice loses {_points(drop)} points")
        if int8 is None or int8["drop"] is None:
            found.append(f"{where}: there is no int8 candidate")
        elif int8["drop"] > figures["allowed"] + 1e-9:
            found.append(f"{where}: int8 loses {_points(int8['drop'])} points")
        elif peer is not None and int8["drop"] > max(peer, 0.0):
            low, high = map(_points, against["drop_ci"])
            more = f"{_points(against['drop'])} [{low}, {high}] more"
            found.append(f"{where}: int8 loses {_points(int8['drop'])} points, a peer {_points(peer)}: {more}")
        if row["choice"]["speedup"]["value"] < NEEDED.get(name, 0.0):
            found.append(f"{where}: only {row['choice']['speedup']['value']:.2f} times as fast as {FP32}")
    return found


def _accuracy(each: Judged, case: Case) -> Figures:
    accuracy = each.accuracy
    return {
        "name": each.contestant.name,
        "provider": each.contestant.provider,
        "precision": each.contestant.precision,
        "failure": each.failure,
        "keeps": each.keeps(case.allowed),
        "top1": accuracy.candidate if accuracy else None,
        "drop": accuracy.drop if accuracy else None,
        "drop_ci": accuracy.drop_ci if accuracy else None,
        "lost": accuracy.lost if accuracy else None,
        "won": accuracy.won if accuracy else None,
        "agreement": accuracy.agreement if accuracy else None,
    }


def _against(mine: Judged | None, peer: Judged | None, images: Images) -> Figures | None:
    """Return what the one loses against the other on the same images."""
    if mine is None or peer is None or mine.answers is None or peer.answers is None:
        return None
    found = compared(images, peer.answers, mine.answers)
    return {"drop": found.drop, "drop_ci": found.drop_ci, "lost": found.lost, "won": found.won}


def _drop(each: Judged) -> float:
    return each.accuracy.drop if each.accuracy else 1.0


def _timed(each: Contestant, held: Race) -> Figures:
    return {"ms": held.milliseconds(each.name), "speedup": _estimate(held.speedup(each.name))}


def _estimate(each: Estimate) -> Figures:
    return {"value": each.value, "ci": each.interval}


def _points(share: float | None) -> str:
    return "?" if share is None else f"{100 * share + 0.0:.1f}"
