"""What CI reads of a verdict: each report is parsed again, by the rules of those who read it."""

from __future__ import annotations

import html
import json
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest

from edgetl.artifacts import CheckResult, State
from edgetl.errors import UsageError
from edgetl.reporting import ci, github, gitlab, junit, markdown, plain
from edgetl.reporting.ci import Reports
from tests.cli.hostile import invoke
from tests.measure.scripted_run import scripted_run
from tests.reporting.check_result import check_result, drop, flip, latency, of_class

HOSTILE = 'a|b<c>&"'
FAILED = check_result(latency(), drop("fail", value=3.1, ci=(2.4, 3.9), reason="Top-1 drop is 3.1 points, 5 % of 100."))
UNCLEAR = check_result(latency("inconclusive", reason="It cannot be told."), drop())
EVERY = (check_result(), FAILED, UNCLEAR)


# --- JUnit ------------------------------------------------------------------------------------------------------------


def suite(result: CheckResult) -> ElementTree.Element:
    root = ElementTree.fromstring(junit.junit(result))
    assert root.tag == "testsuites"
    (found,) = root.findall("testsuite")
    return found


def test_a_budget_is_a_test_case_and_what_is_undecided_an_error_not_a_failure() -> None:
    found = suite(check_result(latency("inconclusive"), drop("fail", reason="Too much.")))
    assert {name: found.get(name) for name in ("name", "tests", "failures", "errors", "time")} == {
        "name": "edgetl check cpu-int8", "tests": "2", "failures": "1", "errors": "1", "time": "34.500",
    }  # fmt: skip
    lost, slow = found.findall("testcase")
    assert (lost.get("classname"), lost.get("name")) == ("host", "top-1 drop")
    failure, error = lost.find("failure"), slow.find("error")
    assert failure is not None and error is not None
    assert failure.get("message") == failure.text == "Too much."
    assert error.get("type") == "inconclusive"
    assert sum(float(case.get("time", "0")) for case in (lost, slow)) == pytest.approx(34.5)
    properties = {each.get("name"): each.get("value") for each in lost.findall("properties/property")}
    assert properties == {
        "budget": "top1_drop", "value": "0.42 points", "interval": "-0.30 to 1.20", "limit": "at most 2.00 points",
    }  # fmt: skip


def test_a_pass_has_neither_failure_nor_error() -> None:
    found = suite(check_result())
    assert (found.get("failures"), found.get("errors")) == ("0", "0")
    assert not found.findall("testcase/failure") + found.findall("testcase/error")


def test_what_xml_cannot_hold_is_left_out_and_the_rest_survives() -> None:
    found = suite(check_result(drop("fail", reason=f"\x1b[1mClass '{HOSTILE}'\x00 \ufffe lost.")))
    failure = found.find("testcase/failure")
    assert failure is not None
    assert failure.text == f"[1mClass '{HOSTILE}'  lost."


def test_two_budgets_on_one_quantity_have_names_of_their_own() -> None:
    # GitLab keeps only the first of several cases of one name.
    absolute = latency(budget="latency_ms", unit="ms", value=2.2, ci=(2.1, 2.3), limit=5.0)
    names = [case.get("name") for case in suite(check_result(latency(), absolute)).findall("testcase")]
    assert names == ["latency (latency_ratio)", "latency (latency_ms)"]


# --- Markdown ---------------------------------------------------------------------------------------------------------


def rows(text: str) -> list[list[str]]:
    """Return the cells of all tables as a reader of Markdown splits them, character references resolved."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("| ---")]
    return [[html.unescape(cell.strip()) for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("result", EVERY, ids=lambda result: str(result.verdict))
def test_the_verdict_is_the_first_line(result: CheckResult) -> None:
    for text in (markdown.check(result), plain.check(result)):
        first = text.splitlines()[0]
        assert result.verdict.upper() in first
        assert {"pass": "both budgets are kept", "fail": "1 of 2 budgets exceeded: top-1 drop"}.get(
            result.verdict, "1 of 2 budgets undecided: latency"
        ) in first


def test_each_finding_is_a_row_with_its_figures_in_units() -> None:
    table = rows(markdown.check(FAILED))
    assert table[1] == [
        "top-1 drop", "94.0 %", "93.6 %", "3.10 points", "2.40 to 3.90", "at most 2.00 points", "**fail**",
    ]  # fmt: skip
    assert table[2] == ["latency", "4.20 ms", "2.18 ms", "0.520 x", "0.500 to 0.540", "at most 1.050 x", "pass"]


def test_a_least_accuracy_is_at_least_and_a_size_is_exact() -> None:
    top1 = drop(budget="top1", quantity="top-1", value=93.6, limit=90.0)
    size = latency(budget="size_ratio", quantity="file size", value=0.25, ci=(0.25, 0.25), baseline=9.0, candidate=2.25)
    table = rows(markdown.check(check_result(top1, size)))
    assert table[1][5] == "at least 90.00 points"
    assert table[2][1:5] == ["9.00 MB", "2.25 MB", "0.250 x", "exact"]


def test_a_name_with_markup_survives_in_its_cell() -> None:
    result = check_result(candidate=HOSTILE, classes=(of_class(HOSTILE, 0.1),), flips=(flip(path=HOSTILE),))
    text = markdown.check(result)
    assert f"<code>{HOSTILE}</code>" in html.unescape(text.splitlines()[0])
    assert [row[0] for row in rows(text) if len(row) == 6][1:] == [f"<code>{HOSTILE}</code>"]
    assert [row[0] for row in rows(text) if len(row) == 4][1:] == [f"<code>{HOSTILE}</code>"]
    assert len({len(line.split("|")) for line in text.splitlines() if line.startswith("|") and "<code>" in line}) == 2


@pytest.mark.parametrize(
    "name", ["**bold**", "`x`", "[a](b)", "![a](b)", "a\n\n# Passed", "<script>", "</code>", "$x$"]
)
def test_no_name_makes_markup(name: str) -> None:
    text = markdown.check(check_result(drop("fail", reason=f"Class {name} lost."), candidate=name))
    assert re.findall(r"<[^>]*>", text) == ["<code>", "</code>"] * 3
    for marks in ("**bold**", "`", "](", "<script", "$x$"):
        assert marks not in text
    assert "# Passed" not in text.splitlines()


def test_a_sentence_notifies_nobody() -> None:
    text = markdown.check(check_result(drop("fail", reason="Class '@everyone' lost, '#12' did not.")))
    assert not re.search(r"@\w|#\d", text.replace("&#8203;", " "))


@pytest.mark.parametrize("name", ["https://evil.example/x", "HTTP://evil.example", "a www.evil.example", "WWW.evil.x"])
def test_no_name_is_a_link(name: str) -> None:
    # Neither in a sentence nor in a cell: GitHub links what stands in <code> as well.
    finding, flips = drop("fail", reason=f"Class {name} lost."), (flip(name, name, name, name),)
    names = {"candidate": name, "baseline": name, "target": name}
    text = markdown.check(check_result(finding, flips=flips, classes=(of_class(name, 0.1),)).model_copy(update=names))
    assert not re.search(r"://|www\.", html.unescape(text), re.IGNORECASE)
    # Of a target that is a file, only its own name is shown.
    assert html.unescape(text).replace("\u200b", "").count(name) == (9 if "/" not in name else 8)


def test_the_long_lists_are_cut_and_say_so() -> None:
    flips = tuple(flip(path=f"{number}.png") for number in range(23))
    classes = tuple(of_class(f"class-{number}", 0.2 - 0.01 * number) for number in range(9))
    text = markdown.check(check_result(flips=flips, classes=(*classes, of_class("unharmed", 0.0))))
    assert "<summary>10 of 23 images whose predicted class changed</summary>" in text
    assert text.count(".png") == 10
    assert text.count("class-") == 5
    assert "unharmed" not in text
    assert plain.check(check_result(flips=flips)).count("13 more images") == 1


def test_what_disturbed_the_machine_is_said_once() -> None:
    busy = State(seconds=30.0, others_cores=1.4, governor="powersave")
    noisy = "This machine is noisy."
    told = "Other programs kept 1.4 cores busy: stop them."
    result = check_result(latency("inconclusive"), state=busy, reasons=("Latency is 0.520 times.", noisy, told))
    for text in (markdown.check(result), plain.check(result)):
        for sentence in ("This machine is noisy.", "Other programs kept 1.4 cores busy", "governor is 'powersave'"):
            assert text.count(sentence) == 1


# --- GitHub -----------------------------------------------------------------------------------------------------------


def commands(text: str) -> list[tuple[str, str, str]]:
    """Return name, title and message of each command, read as the runner reads them."""
    found = []
    for line in re.split("\r\n|\r|\n", text.removesuffix("\n")):
        match = re.fullmatch(r"::(\w+) title=([^,:]*)::(.*)", line)
        assert match, line
        name, title, message = match.groups()
        for code, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            title, message = title.replace(code, character), message.replace(code, character)
        found.append((name, title, message))
    return found


def test_what_fails_is_an_error_and_what_is_undecided_a_warning() -> None:
    (error,) = commands(github.annotations(FAILED))
    assert error == ("error", "edgetl check fail: top-1 drop", "Top-1 drop is 3.1 points, 5 % of 100.")
    (warning,) = commands(github.annotations(UNCLEAR))
    assert warning[0] == "warning"


def test_a_pass_is_a_single_notice() -> None:
    (notice,) = commands(github.annotations(check_result()))
    assert notice[0] == "notice"
    assert "cpu-int8 against cpu-fp32" in notice[2]


@pytest.mark.parametrize("separator", ["\n", "\r", "\r\n", "\u2028", "\x85"])
def test_no_name_is_a_command_of_its_own(separator: str) -> None:
    evil = f"x{separator}::set-env name=PATH::evil"
    for result in (
        check_result(candidate=evil),
        check_result(drop("fail", reason=evil, quantity=evil), candidate=evil),
    ):
        assert {name for name, _, _ in commands(github.annotations(result))} <= {"notice", "error"}
        text = plain.check(result.model_copy(update={"accuracy": check_result(flips=(flip(path=evil),)).accuracy}))
        assert not [line for line in re.split("\r\n|\r|\n", text) if line.lstrip().startswith("::")]


# --- GitLab -----------------------------------------------------------------------------------------------------------


def test_code_quality_lists_what_is_not_kept_with_all_that_gitlab_asks_for() -> None:
    assert json.loads(gitlab.code_quality(check_result())) == []
    (issue,) = json.loads(gitlab.code_quality(FAILED))
    assert issue["description"] == "Top-1 drop is 3.1 points, 5 % of 100."
    assert issue["check_name"] == "edgetl/top1_drop"
    assert issue["severity"] == "critical"
    assert issue["location"] == {"path": "runs/demo/check.json", "lines": {"begin": 1}}
    (undecided,) = json.loads(gitlab.code_quality(UNCLEAR))
    assert undecided["severity"] == "minor"


def test_an_issue_is_known_again_in_the_next_run_and_told_from_others() -> None:
    def fingerprint(result: CheckResult) -> str:
        (issue,) = json.loads(gitlab.code_quality(result))
        return str(issue["fingerprint"])

    again = check_result(drop("fail", value=2.8, reason="Other numbers."), seconds=50.0, target="host")
    assert fingerprint(again) == fingerprint(FAILED)
    assert fingerprint(check_result(latency("fail"))) != fingerprint(FAILED)
    assert fingerprint(check_result(drop("fail"), candidate="cpu-fp16")) != fingerprint(FAILED)
    here, there = (check_result(drop("fail"), target=f"/{place}/pi.toml") for place in ("builds/1", "builds/2"))
    assert fingerprint(here) == fingerprint(there)


@pytest.mark.parametrize(
    ("candidate", "path"),
    [("models/new.onnx", "models/new.onnx"), ("./new.onnx", "new.onnx"), ("/builds/7/new.onnx", "new.onnx")],
)
def test_an_issue_is_shown_at_the_model_by_a_relative_path(candidate: str, path: str) -> None:
    (issue,) = json.loads(gitlab.code_quality(check_result(drop("fail"), candidate=candidate)))
    assert issue["location"]["path"] == path


def test_metrics_are_a_gauge_a_finding_that_gitlab_can_split() -> None:
    text = gitlab.metrics(check_result(candidate='odd "name" #1\\x\n'))
    assert text.endswith("# EOF\n")
    assert "# TYPE edgetl_latency_ratio gauge\n" in text
    # GitLab takes the words of each line as a shell does, after removing comments.
    found = dict(shlex.split(re.sub("#.*", "", line)) for line in text.splitlines() if not line.startswith("#"))
    assert found == {
        'edgetl_latency_ratio{candidate=odd "name" %231\\x,target=host,unit=x}': "0.52",
        'edgetl_top1_drop{candidate=odd "name" %231\\x,target=host,unit=points}': "0.42",
    }


def test_what_could_not_be_measured_is_a_number_of_openmetrics() -> None:
    result = check_result(latency("inconclusive", value=float("inf"), ci=(0.0, float("inf"))))
    assert gitlab.metrics(result).splitlines()[-2].endswith(" +Inf")
    assert "0.000 to inf" in markdown.check(result)


# --- writing ----------------------------------------------------------------------------------------------------------

ALL = Reports(
    junit=Path("out/deep/edgetl.xml"),
    markdown=Path("out/edgetl.md"),
    code_quality=Path("out/quality.json"),
    metrics=Path("out/metrics.txt"),
    text=Path("out/edgetl.txt"),
)


def test_what_is_asked_for_is_written_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert ci.write(FAILED, ALL, {}) == tuple(ALL.asked.values())
    assert {path.as_posix() for path in Path().rglob("*") if path.is_file()} == {
        path.as_posix() for path in ALL.asked.values()
    }
    assert Path("out/edgetl.md").read_text(encoding="utf-8") == markdown.check(FAILED)
    ElementTree.parse("out/deep/edgetl.xml")
    json.loads(Path("out/quality.json").read_text(encoding="utf-8"))
    assert capsys.readouterr() == ("", "")


def test_on_github_annotations_go_to_stderr_and_the_summary_is_added_to(capsys: pytest.CaptureFixture[str]) -> None:
    summary = Path("summary.md")
    summary.write_text("# Of another command\n", encoding="utf-8")
    assert ci.write(FAILED, Reports(), {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}) == ()
    out, err = capsys.readouterr()
    assert (out, err) == ("", github.annotations(FAILED))
    assert summary.read_text(encoding="utf-8") == f"# Of another command\n\n{markdown.check(FAILED)}"


@pytest.mark.parametrize("environment", [{}, {"GITHUB_ACTIONS": "false"}, {"GITHUB_STEP_SUMMARY": "summary.md"}])
def test_elsewhere_nothing_is_printed(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    ci.write(FAILED, Reports(), environment)
    assert capsys.readouterr() == ("", "")
    assert list(Path().iterdir()) == []


def test_what_could_not_be_measured_stands_where_people_look_for_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail = {"at": "load", "how": "unavailable", "message": "No <GPU> here."}
    run = scripted_run(tmp_path, test=2, fake_fp32={}, fake_int8={"fail": fail})
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    reports = [f"--{name}={name}" for name in ("junit", "markdown", "text", "code-quality")]
    said = invoke("check", "--run", str(run), *reports)
    assert said.code == 3
    assert "\n::error title=edgetl check could not measure::" in f"\n{said.err}"
    (case,) = ElementTree.parse("junit").getroot().iter("testcase")
    (error,) = case.findall("error")
    assert "No <GPU> here." in (error.text or "")
    assert all("No <GPU> here." in Path(name).read_text(encoding="utf-8") for name in ("markdown", "text"))
    assert not Path("code-quality").exists()


def _file_in_the_way() -> Reports:
    Path("taken").touch()
    return Reports(markdown=Path("taken/edgetl.md"))


def _folder_in_the_way() -> Reports:
    Path("edgetl.md").mkdir()
    return Reports(markdown=Path("edgetl.md"))


@pytest.mark.parametrize("place", [_file_in_the_way, _folder_in_the_way])
def test_a_report_that_cannot_be_written_is_a_sentence_that_names_it(place: object) -> None:
    assert callable(place)
    reports: Reports = place()
    for refuse in (lambda: ci.require(reports), lambda: ci.write(FAILED, reports, {})):
        with pytest.raises(UsageError, match=r"^The report \S*edgetl\.md cannot be written: .+\. Name .+\.$") as caught:
            refuse()
        assert "--run" not in str(caught.value)


@pytest.mark.parametrize("summary", ["taken/summary", "missing/summary", "."])
def test_a_summary_that_cannot_be_written_is_a_line_and_the_verdict_stands(
    summary: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("taken").touch()
    asked = Reports(text=Path("edgetl.txt"))
    ci.write(FAILED, asked, {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": summary})
    out, err = capsys.readouterr()
    (told,) = err.removeprefix(github.annotations(FAILED)).splitlines()
    assert out == ""
    assert told.startswith(f"The summary of this job is left out: {summary} cannot be written (")
    assert Path("edgetl.txt").is_file()


def test_two_reports_do_not_share_a_file() -> None:
    with pytest.raises(UsageError, match=r"--markdown and --code-quality both name out\."):
        ci.require(Reports(markdown=Path("out"), code_quality=Path("./out")))
    ci.require(ALL)
    assert list(Path().iterdir()) == [], "asking leaves nothing behind"
