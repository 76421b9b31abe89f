"""The figures as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

LATENCY = ("engine", "file", "setting", "binding", "batch", "streams")


def markdown(found: Mapping[str, Any]) -> str:
    """Return the tables: what the machine can do, batch 1, the most images a second, training, what did not run."""
    rows: Sequence[Row] = found["rows"]
    measured = [row for row in rows if row.get("status") == "measured"]
    parts = [f"# Measured on {found.get('gpu') or found.get('machine', 'this machine')}", _facts(found)]
    for model in dict.fromkeys(row["model"] for row in measured if "p50_ms" in row):
        own = [row for row in measured if row["model"] == model and "p50_ms" in row]
        single = sorted((row for row in own if row["batch"] == 1 and row["streams"] == 1), key=_p50)
        parts += [f"## {model}, one image", _latencies(single)]
        most = sorted((row for row in own if row not in single), key=lambda row: -row["images_per_s"])
        parts += [f"## {model}, most images a second", _latencies(most)] if most else []
    finals = [row for row in measured if row.get("part") == "side by side"]
    if finals:
        heads = ("network", "engine", "file", "setting", "ms", "over the chosen's")
        names = ("model", "engine", "file", "setting")
        cells = [
            [*(row[name] for name in names), f"{row['ms']:.3f}", "chosen" if row["chosen"] else f"{row['ratio']:.2f}"]
            for row in finals
        ]
        parts += ["## One image, in turns: undisturbed runs", _table(heads, cells)]
    trained = [row for row in measured if row.get("part") == "training"]
    if trained:
        cells = [[row["model"], row["loop"], row["batch"], f"{row['images_per_s']:.0f}"] for row in trained]
        parts += ["## Training", _table(("network", "loop", "batch", "images/s"), cells)]
    others = [row for row in rows if row.get("status") != "measured"]
    if others:
        cells = [[_name(row), row["status"], row.get("reason", "")] for row in others]
        parts += ["## Without a figure", _table(("what", "status", "why"), cells)]
    return "\n\n".join(parts) + "\n"


def _facts(found: Mapping[str, Any]) -> str:
    names = ("machine", "versions", "peaks", "seconds", "ended")
    return "\n".join(f"- {name}: {_plain(found[name])}" for name in names if name in found)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _latencies(rows: Iterable[Row]) -> str:
    heads = (*LATENCY, "p50 ms", "p90 ms", "images/s", "of what is possible", "SQNR dB")
    return _table(
        heads,
        [
            [
                *(row.get(name) or "" for name in LATENCY),
                f"{row['p50_ms']:.3f}",
                f"{row['p90_ms']:.3f}" if row["p90_ms"] is not None else "",
                f"{row['images_per_s']:.0f}",
                f"{row['share']:.1%}" if row["share"] is not None else "",
                f"{row['sqnr_db']:.0f}",
            ]
            for row in rows
        ],
    )


def _p50(row: Row) -> float:
    return float(row["p50_ms"])


def _name(row: Row) -> str:
    names = ("part", "model", "engine", "file", "setting", "binding", "batch", "streams", "loop")
    return ", ".join(str(row[name]) for name in names if row.get(name))


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines)
