"""What the comparison with benchmark_app concludes from its sessions."""

from __future__ import annotations

import pytest

pytest.importorskip("scipy")

from benchmarks.gate import table

LEFT_OUT_MS = 0.2


def _sessions(slower: float) -> list[dict[str, float]]:
    """Sessions in which a worker left running takes ``slower`` times as long as the peer's call, give or take 1 %."""
    peers = [8.0, 11.0, 9.0, 8.5, 10.0, 11.5]
    noise = [1.01, 0.99, 1.0, 1.01, 0.99, 1.0]
    return [
        {"peer": peer, "left running": slower * each * (peer + LEFT_OUT_MS), "in turns": 1.05 * peer}
        for peer, each in zip(peers, noise, strict=True)
    ]


def test_the_same_latency_but_for_the_rest_of_the_call_is_no_miss() -> None:
    assert table.parity_misses(_sessions(1.0), LEFT_OUT_MS) == []
    assert table.parity_misses(_sessions(1.0), 0.0), "what a call takes beyond its latency counts"


@pytest.mark.parametrize("slower", [0.97, 1.03])
def test_three_per_cent_are_a_miss_though_sessions_differ_by_forty(slower: float) -> None:
    assert table.parity_misses(_sessions(slower), LEFT_OUT_MS)


def test_each_way_has_a_row_with_both_ratios() -> None:
    turns, running = table.parity_rows(_sessions(1.0), LEFT_OUT_MS)
    assert turns.startswith("| in turns, 6 sessions |") and "| 1.050 [1.050, 1.050] |" in turns
    assert running.startswith("| left running, 6 sessions |") and "| 1.000 [" in running
