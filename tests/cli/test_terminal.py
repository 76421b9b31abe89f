"""What a command shows on real terminals: wide and narrow ones, without colour, and none at all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from edgetl.reporting.progress import rate
from tests.bundles import bundle
from tests.cli.hostile import at_terminal, invoke, run

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# Foreground and background, of 16 and of 256 colours; not bold and dim.
COLOURS = re.compile(r"\x1b\[(?:[0-9]+;)*(?:[349][0-7]|10[0-7]|[34]8;5;[0-9]+)m")
LISTS = (("targets",), ("targets", "raspberry-pi-5"), ("models",), ("doctor",), ("env", "list"))


@pytest.mark.parametrize("arguments", LISTS, ids=" ".join)
def test_a_list_fits_and_ends_with_what_to_try_next(arguments: tuple[str, ...]) -> None:
    shown = ESCAPES.sub("", at_terminal(*arguments))
    assert max(map(cell_len, shown.splitlines())) <= 80
    *_, last = shown.splitlines()
    assert last.startswith("next: edgetl ")


def test_a_wider_terminal_shows_more() -> None:
    narrow, wide = at_terminal("targets", columns=80), at_terminal("targets", columns=120)
    assert len(wide.splitlines()) < len(narrow.splitlines()), "fewer lines are broken"


def test_colour_is_for_terminals_that_want_it() -> None:
    assert COLOURS.search(at_terminal("export"))
    assert not COLOURS.search(at_terminal("export", env={"NO_COLOR": "1"}))
    assert not COLOURS.search(at_terminal("doctor", env={"NO_COLOR": "1"}))
    for command in ("export", "doctor"):
        assert "\x1b" not in at_terminal(command, env={"TERM": "dumb"})
    piped = run("doctor")
    assert "\x1b" not in piped.out + piped.err + run("export").err


def test_a_verification_says_what_is_next(tmp_path: Path) -> None:
    path = bundle(tmp_path / "a surface.pyz")
    assert f"next: edgetl ship '{path}' ssh://" in " ".join(invoke("verify", str(path), "--no-timing").out.split())
    path.write_bytes(path.read_bytes()[:-9])
    assert "next: edgetl bundle" in invoke("verify", str(path)).out


def test_a_terminal_that_cannot_redraw_a_line_gets_no_bars(tmp_path: Path) -> None:
    path = bundle(tmp_path / "surface.pyz")
    assert "\x1b" not in at_terminal("verify", str(path), "--no-timing", env={"TERM": "dumb"})
    assert "\x1b[?25l" in at_terminal("verify", str(path), "--no-timing"), "bars hide the cursor"


@pytest.mark.parametrize(
    ("per_second", "said"), [(None, ""), (1234.5, "1,234/s"), (2.25, "2.2/s"), (0.05, "3.0/min"), (0.0, "")]
)
def test_a_rate_has_figures_also_where_it_is_slow(per_second: float | None, said: str) -> None:
    assert rate(per_second) == said
