"""Draws what edgetl shows, for the README: `python -m docs.tools.pictures RUN [REPORT.html]`.

The terminal's output of a run as SVG, without fonts from anywhere, and the top of its report as PNG by Chromium.
"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from edgetl.artifacts import BenchResult, CheckResult, ExportResult, FinetuneResult, QuantizeResult, RunResult
from edgetl.reporting import terminal

IMAGES = Path(__file__).resolve().parent.parent / "images"
WIDTH = 110
# In pixels: as much of a report as is seen at first.
WINDOW = "1100,1450"
FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
  <style>
    .{unique_id}-matrix {{ font: {char_height}px/{line_height}px Menlo, Consolas, "DejaVu Sans Mono", monospace; }}
    .{unique_id}-title {{ font: bold 18px sans-serif; }}
    {styles}
  </style>
  <defs>
    <clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
    {lines}
  </defs>
  {chrome}
  <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">{matrix}</g>
  </g>
</svg>
"""


def draw_terminal(run: Path, path: Path) -> None:
    """Write what a terminal shows at the end of `edgetl run`."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, highlight=False)
    stages = (FinetuneResult, ExportResult, QuantizeResult, BenchResult, CheckResult)
    found = {each.FILE.removesuffix(".json"): each.load(run) for each in stages}
    console.print(terminal.run(RunResult.model_validate(found)))
    svg = console.export_svg(title="edgetl run", theme=MONOKAI, code_format=FORMAT, unique_id="edgetl")
    path.write_text(svg, encoding="utf-8")


def draw_report(report: Path, path: Path) -> None:
    """Write the top of a report as a browser shows it."""
    shot = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={WINDOW}", f"--screenshot={path}"]
    subprocess.run(["chromium", *shot, report.resolve().as_uri()], check=True, capture_output=True)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    run = Path(sys.argv[1])
    draw_terminal(run, IMAGES / "terminal.svg")
    draw_report(Path(sys.argv[2]) if len(sys.argv) > 2 else run / "report.html", IMAGES / "report.png")
