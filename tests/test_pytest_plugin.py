"""The fixtures as a project's own tests use them: in a test session inside this one, with a scripted verdict."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

# Here, so that the sessions inside find them loaded: each forgets what it has loaded itself.
from edgetl import pytest_plugin
from edgetl.artifacts import CheckResult
from edgetl.gate import stage
from edgetl.progress import Progress
from edgetl.reporting import plain
from tests.reporting.check_result import check_result, drop, latency

VERDICTS = {
    "pass": check_result(),
    "fail": check_result(drop("fail", reason="Top-1 drop is 3.1 points.")),
    "inconclusive": check_result(latency("inconclusive", reason="It cannot be told.")),
}
GATE = """
    def test_model(edgetl_gate):
        result = edgetl_gate("models/new.onnx", "old.onnx", images="images")
        assert result.verdict
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[stage.CheckSettings]:
    """What the stage was asked; a candidate's name is the verdict on it, that on a file a pass."""
    settings: list[stage.CheckSettings] = []

    def check(given: stage.CheckSettings, progress: Progress) -> CheckResult:
        settings.append(given)
        return VERDICTS.get(given.candidate or "", VERDICTS["pass"])

    monkeypatch.setattr(stage, "check", check)
    return settings


class Session:
    """A project with one test file, whose tests are run with the plugin as an installed edgetl brings it along."""

    def __init__(self, pytester: pytest.Pytester, plugins: list[object]) -> None:
        self._pytester, self._plugins = pytester, plugins

    def run(self, tests: str, *arguments: str, ini: str = "") -> pytest.RunResult:
        self._pytester.makeini(f"[pytest]\n{ini}\n")
        self._pytester.makepyfile(tests)
        return self._pytester.runpytest(*arguments, plugins=self._plugins)


@pytest.fixture
def session(pytester: pytest.Pytester, request: pytest.FixtureRequest) -> Session:
    installed = request.config.pluginmanager.has_plugin("edgetl")
    return Session(pytester, [] if installed else [pytest_plugin])


def gate(verdict: str) -> str:
    return GATE.replace("models/new.onnx", verdict)


def test_the_fixture_asks_the_stage_for_what_it_was_given(session: Session, asked: list[stage.CheckSettings]) -> None:
    result = session.run(
        """
        from pathlib import Path

        def test_model(edgetl_check):
            assert edgetl_check(Path("new.onnx"), "old.onnx", images="images").verdict == "pass"
            Path("runs/demo").mkdir(parents=True)
            # As on the command line: a name under runs/.
            assert edgetl_check(run="demo", target="intel-n100", time_budget="2m", seed=7, labels="l.csv")
        """
    )
    result.assert_outcomes(passed=1)
    files, run = asked
    assert (files.candidate, files.baseline, str(files.images)) == ("new.onnx", "old.onnx", "images")
    assert (files.run, files.target, files.time_budget_s) == (None, None, 30.0)
    assert run.out is None
    assert (str(run.run), run.candidate, run.baseline) == ("runs/demo", None, None)
    assert (run.target, run.time_budget_s, run.seed, str(run.labels)) == ("intel-n100", 120.0, 7, "l.csv")
    assert {"run", "candidate", "baseline", "target", "images", "labels", "out", "time_budget_s", "seed"} <= {
        field.name for field in fields(stage.CheckSettings)
    }


def test_without_a_run_nothing_is_stored_in_the_project(session: Session, asked: list[stage.CheckSettings]) -> None:
    session.run(
        """
        def test_files(edgetl_check, edgetl_gate):
            edgetl_check("new.onnx", "old.onnx", images="images")
            edgetl_gate("new.onnx", "old.onnx", images="images")
        """
    ).assert_outcomes(passed=1)
    places = {settings.folder.resolve() for settings in asked}
    assert len(places) == 2, "the second does not replace the first"
    assert not [place for place in places if place.is_relative_to(Path.cwd())]


def test_a_run_that_is_not_there_is_told_with_the_nearest(session: Session, asked: list[stage.CheckSettings]) -> None:
    result = session.run(
        """
        from pathlib import Path

        def test_run(edgetl_gate):
            Path("runs/demo").mkdir(parents=True)
            edgetl_gate(run="dmo")
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*There is no run 'dmo'. Did you mean 'demo'?*"])
    assert asked == []


def test_a_pass_passes_without_a_word(session: Session, asked: list[stage.CheckSettings]) -> None:
    session.run(gate("pass"), "-W", "error").assert_outcomes(passed=1)


def test_a_fail_fails_with_the_report_and_no_traceback(session: Session, asked: list[stage.CheckSettings]) -> None:
    result = session.run(gate("fail"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(plain.check(VERDICTS["fail"]).splitlines()[0])
    result.stdout.fnmatch_lines(["fail: Top-1 drop is 3.1 points."])
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_an_inconclusive_verdict_passes_with_a_warning(session: Session, asked: list[stage.CheckSettings]) -> None:
    # Also where all other warnings are errors.
    result = session.run(gate("inconclusive"), ini="filterwarnings = error")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*InconclusiveWarning: edgetl check: INCONCLUSIVE*"])


def test_an_inconclusive_verdict_fails_where_the_project_says_so(
    session: Session, asked: list[stage.CheckSettings]
) -> None:
    result = session.run(gate("inconclusive"), ini="edgetl_inconclusive = fail")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["inconclusive: It cannot be told."])


def test_the_check_alone_leaves_the_verdict_to_the_test(session: Session, asked: list[stage.CheckSettings]) -> None:
    result = session.run("def test_model(edgetl_check): assert edgetl_check('fail', 'old.onnx').verdict == 'fail'")
    result.assert_outcomes(passed=1)


def test_a_misspelt_choice_is_refused(session: Session, asked: list[stage.CheckSettings]) -> None:
    result = session.run(gate("pass"), ini="edgetl_inconclusive = fial")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*edgetl_inconclusive is 'fial'. Write warn or fail.*"])
    assert asked == []


def test_a_test_session_that_judges_nothing_loads_nothing() -> None:
    script = (
        "import sys, pytest\nbefore = set(sys.modules)\nimport edgetl.pytest_plugin\n"
        "print(sorted(name for name in set(sys.modules) - before if name.startswith(('edgetl', 'numpy', 'pydantic'))))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['edgetl', 'edgetl.pytest_plugin']"
