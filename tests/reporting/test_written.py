"""`edgetl report`: the file, what it holds and what it does not, and what the command says."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edgetl.files import sha256_file
from tests.cli.hostile import invoke
from tests.reporting.check_result import check_result
from tests.reporting.made_up_run import HOSTILE, full_run

pytest.importorskip("vl_convert")
pytest.importorskip("jinja2")

VOID = {"meta", "img", "br", "link"}


class Tags(HTMLParser):
    """Counts tags, and remembers which were not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.open: list[str] = []
        self.astray: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.names.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.astray.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.names.append(tag)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a whole run, of which every name that a user may choose is hostile; with its Markdown beside it."""
    run = full_run(tmp_path_factory.mktemp("written"))
    said = invoke("report", str(run), "--markdown", str(run / "report.md"))
    assert said.code == 0, said.err
    assert f"open it in a browser: file://{run / 'report.html'}" in said.out.replace("\n", "")
    assert "left out: What int8 costs, node by node." in said.out
    return run / "report.html"


def test_names_stay_text_and_the_file_asks_nobody_for_anything(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    tags = Tags(text)
    assert (tags.astray, tags.open) == ([], [])
    assert not {"script", "link", "iframe", "object", "base"} & set(tags.names)
    assert html.escape(HOSTILE) in text
    assert not re.findall(r"https?:|url\(|@import|\bon\w+=", text.replace("http-equiv", ""))
    assert set(re.findall(r'(?:src|href)="([a-z]+:[a-z/]+|#)', text)) == {"data:image/jpeg", "#"}


def test_names_in_a_chart_stay_text() -> None:
    from edgetl.reporting.html.draw import svg
    from edgetl.reporting.view.charts.tradeoff import Point, spec

    drawn = svg(spec([Point(HOSTILE, "chosen", 2.0, 90.0, None, front=True)], 880), f'"{HOSTILE}', "wide")
    tags = Tags(drawn)
    assert (tags.astray, tags.open) == ([], [])
    assert "script" not in tags.names
    assert drawn.count("alert(1)") == 3, "its label over its seam, and the words for those who do not see it"


def test_it_is_small_and_holds_every_section(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    assert written.stat().st_size < 500_000
    for key in ("verdict", "tradeoff", "latency", "providers", "classes", "images", "training", "lineage"):
        assert f'id="run-{key}"' in text
    assert text.count(' role="img" aria-label="') == 6, "three charts, each for wide and for narrow screens"
    assert "It is none of the run&#39;s images." in text
    assert sha256_file(written.parent / "int8.onnx")[:12] in text


def test_links_lead_somewhere_and_no_name_is_given_twice(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    names = re.findall(r' id="([^"]+)"', text)
    assert len(names) == len(set(names))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(names)


def test_the_markdown_says_the_same_and_nothing_of_it_is_markup_by_accident(written: Path) -> None:
    text = (written.parent / "report.md").read_text(encoding="utf-8")
    assert "**Pass**: cpu-int8 is 1.92 times as fast as cpu-fp32" in text
    assert "<script" not in text
    assert "## Accuracy against latency" in text
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("| ")]
    assert len(tables) > 8
    assert all(len({row.count("|") for row in rows}) == 1 for rows in tables), "every row has every cell"
    assert "- Left out: What int8 costs, node by node." in text


def test_several_runs_stand_side_by_side_and_json_says_where() -> None:
    for name in ("one", "two"):
        Path("runs", name).mkdir(parents=True)
        check_result(run=name).save(Path("runs", name))
    said = invoke("report", "one", "two", "--out", "both.html", "--json")
    assert said.code == 0
    result = said.json
    assert result["report"] == "both.html"
    assert result["markdown"] is None
    assert result["runs"] == ["runs/one", "runs/two"]
    assert result["size_bytes"] == Path("both.html").stat().st_size
    assert {each["run"] for each in result["left_out"]} == {"runs/one", "runs/two"}
    text = Path("both.html").read_text(encoding="utf-8")
    assert text.count("<h1") == 1
    assert "2 runs side by side" in text


def test_what_cannot_be_written_or_reported_is_refused_before_anything_is_read() -> None:
    Path("runs/empty").mkdir(parents=True)
    assert "has no result to report" in invoke("report", "empty").error
    check_result().save(Path("runs/empty"))
    assert "both name here.html" in invoke("report", "empty", "--out", "here.html", "--markdown", "here.html").error
    assert "it is a folder" in invoke("report", "empty", "--out", "runs").error
    assert "no run 'empti'" in invoke("report", "empti").error
    assert not list(Path().glob("*.html"))


def test_a_damaged_result_is_named() -> None:
    Path("runs/bad").mkdir(parents=True)
    Path("runs/bad/check.json").write_text(json.dumps({"schema_version": 1}), encoding="utf-8")
    assert "check.json is damaged" in invoke("report", "bad").error


def test_without_the_extra_the_command_says_how_to_get_it() -> None:
    check_result().save(Path())
    done = without("jinja2")
    assert done.returncode == 2
    assert done.stderr == "Error: jinja2 is not installed here. Run: pip install 'edgetl[report]'\n"


def test_it_takes_neither_torch_nor_an_engine(tmp_path: Path) -> None:
    run = full_run(tmp_path / "made")
    done = without("torch", "onnx", "onnxruntime", "openvino", "nncf", at=run)
    assert done.returncode == 0, done.stderr
    assert "is not installed here. Run `edgetl quantize --explain` where it is." in " ".join(done.stdout.split())
    assert (run / "report.html").is_file()


def without(*modules: str, at: Path = Path()) -> subprocess.CompletedProcess[str]:
    """Return how `edgetl report` ends in an environment in which ``modules`` are not installed."""
    script = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name in {modules}: raise ModuleNotFoundError(f'No module named {{name}}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from edgetl.cli import main\n"
        f"main(['report', {str(at)!r}])"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
