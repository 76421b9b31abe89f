"""The figures as rows of Markdown."""

from __future__ import annotations

from typing import Any

from benchmarks.quantization.peers import FP32

HEAD = (
    "| model | threads | fp32, ms | choice | faster than fp32 | best peer that keeps its accuracy | choice / peer "
    "| not slower | drop, points | int8: drop | best int8 peer: drop | int8 against it "
    "| s to choice, to its being chosen, in all | s NNCF |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)
LEGEND = (
    "Intervals are 95 %. Choice / peer is the ratio of latencies, from one race; not slower: its low end is at most "
    "the noise floor in parentheses, by which two processes of the same fp32 model may differ in that race."
)
PEER_HEAD = (
    "| model | threads | peer | ms | faster than fp32 | drop, points | agreement | |\n|---|---|---|---|---|---|---|---|"
)
MEMORY_HEAD = "| recipe | images | calibration's peak, MiB | seconds |\n|---|---|---|---|"


def rows(figures: dict[str, Any]) -> list[str]:
    """Return a model's rows below `HEAD`, one for each number of threads."""
    return [_row(figures, each) for each in figures["threads"]]


def peer_rows(figures: dict[str, Any]) -> list[str]:
    """Return a model's rows below `PEER_HEAD`: every peer, for each number of threads."""
    return [_peer_row(figures, each, peer) for each in figures["threads"] for peer in figures["peers"].values()]


def memory_rows(figures: dict[str, Any]) -> list[str]:
    """Return the rows below `MEMORY_HEAD`."""
    return [
        f"| {recipe} | {count} | {each['above_bytes'] / 2**20:.0f} | {each['seconds']:.0f} |"
        for recipe, counts in figures.items()
        for count, each in counts.items()
    ]


def _row(figures: dict[str, Any], row: dict[str, Any]) -> str:
    best, choice, against = row["best_peer"], row["choice"], row["int8_against_peer"]
    peer = figures["peers"].get(row["best_int8_peer"])
    cells = (
        f"{figures['model']} ({_images(figures)})",
        str(row["threads"]),
        f"{row['raced'][FP32]['ms']:.2f}",
        row["chosen"],
        _times(choice["speedup"]),
        f"{best}, {_times(row['raced'][best]['speedup'])}",
        "same" if row["same"] else _times(row["ratio"], 3),
        f"{_verdict(row)} ({row['floor']:.3f})",
        _drop(choice),
        f"{row['int8']['name'].removeprefix('edgetl ')}: {_drop(row['int8'])}" if row["int8"] else "none",
        f"{peer['name']}: {_drop(peer)}" if peer else "none",
        _drop(against) if against else "",
        ", ".join(_seconds(row[each]) for each in ("seconds_to_choice", "decided_s", "seconds")),
        f"{figures['nncf_s']['nncf.zip']:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def _peer_row(figures: dict[str, Any], row: dict[str, Any], peer: dict[str, Any]) -> str:
    timed = row["raced"].get(peer["name"])
    cells = (
        figures["model"],
        str(row["threads"]),
        peer["name"],
        f"{timed['ms']:.2f}" if timed else "",
        _times(timed["speedup"]) if timed else "",
        _drop(peer),
        "" if peer["agreement"] is None else f"{peer['agreement']:.1%}",
        peer["failure"] or ("" if peer["keeps"] else "loses too much"),
    )
    return f"| {' | '.join(cells)} |"


def _images(figures: dict[str, Any]) -> str:
    views = figures.get("views", 1)
    return (
        f"{figures['images']} images" if views == 1 else f"{figures['images'] // views} images, {views} views of each"
    )


def _verdict(row: dict[str, Any]) -> str:
    if row["noisy"]:
        return "too noisy"
    return "yes" if row["not_slower"] else "**no**"


def _times(each: dict[str, Any], digits: int = 2) -> str:
    low, high = each["ci"]
    return f"{each['value']:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _drop(each: dict[str, Any]) -> str:
    if each["drop"] is None:
        return ""
    low, high = each["drop_ci"]
    return f"{_points(each['drop'])} [{_points(low)}, {_points(high)}]"


def _points(share: float) -> str:
    # Plus nothing, so that no drop of -0.0 is shown.
    return f"{round(100 * share, 1) + 0.0:.1f}"


def _seconds(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds:.0f}"
