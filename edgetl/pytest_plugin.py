"""Fixtures for pytest: judge a model in a test of its own.

::

    def test_the_release_keeps_its_budgets(edgetl_gate):
        edgetl_gate("models/model.onnx", "released.onnx", images="images/")

`edgetl_check` returns the verdict and leaves it to the test; `edgetl_gate` fails on it. Nothing of edgetl is imported
before a test asks for one of them.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from edgetl.artifacts import CheckResult

OPTION, WARN, FAIL = "edgetl_inconclusive", "warn", "fail"


class InconclusiveWarning(pytest.PytestWarning):
    """Neither a pass nor a fail: there were too few images, or there was too little time, to tell."""


class Check(Protocol):
    """The function that both fixtures are: judge ``candidate`` against ``baseline`` on ``images``."""

    def __call__(
        self,
        candidate: str | Path | None = None,
        baseline: str | Path | None = None,
        images: str | Path | None = None,
        run: str | Path | None = None,
        target: str | None = None,
        time_budget: str = "30s",
        *,
        labels: str | Path | None = None,
        seed: int = 0,
    ) -> CheckResult:
        """Return the verdict with all that it rests on, as `edgetl check` does; raises EdgetlError.

        Models are ONNX files, runs, or names of a candidate of ``run``; None stands for the run's chosen candidate, its
        fp32 model, its images and its target. ``run`` is a folder or a name under ``runs/``; the verdict is stored in
        it, and without a run outside the project. ``time_budget`` is for timing: ``90s``, ``5m``.
        """


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option that decides on an inconclusive verdict."""
    parser.addini(OPTION, f"what edgetl_gate makes of an inconclusive verdict: {WARN} or {FAIL}", default=WARN)


def pytest_configure(config: pytest.Config) -> None:
    """Keep an inconclusive verdict a warning where a project makes errors of warnings: the ini option decides."""
    config.addinivalue_line("filterwarnings", f"default::{__name__}.{InconclusiveWarning.__name__}")


@pytest.fixture(scope="session")
def edgetl_check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """Return a function that judges a model against a baseline, here and now, and returns a CheckResult."""

    def check(
        candidate: str | Path | None = None,
        baseline: str | Path | None = None,
        images: str | Path | None = None,
        run: str | Path | None = None,
        target: str | None = None,
        time_budget: str = "30s",
        *,
        labels: str | Path | None = None,
        seed: int = 0,
    ) -> CheckResult:
        from edgetl import runs
        from edgetl.gate.stage import CheckSettings
        from edgetl.gate.stage import check as stage
        from edgetl.progress import Silent
        from edgetl.quantities import seconds

        settings = CheckSettings(
            run=None if run is None else runs.resolve(Path(run)),
            candidate=None if candidate is None else str(candidate),
            baseline=None if baseline is None else str(baseline),
            target=target,
            images=_path(images),
            labels=_path(labels),
            # Tests leave nothing in the project that they test.
            out=tmp_path_factory.mktemp("edgetl-check") if run is None else None,
            time_budget_s=seconds(time_budget, default=30.0),
            seed=seed,
        )
        return stage(settings, Silent())

    return check


@pytest.fixture(scope="session")
def edgetl_gate(pytestconfig: pytest.Config, edgetl_check: Check) -> Check:
    """Return that function, which fails the test where the verdict is fail.

    Where it is inconclusive the test passes with an InconclusiveWarning, or fails with ``edgetl_inconclusive = fail``.
    """
    choice = str(pytestconfig.getini(OPTION)).strip()
    if choice not in (WARN, FAIL):
        raise pytest.UsageError(f"{OPTION} is '{choice}'. Write {WARN} or {FAIL}.")

    def gate(*given: Any, **named: Any) -> CheckResult:
        __tracebackhide__ = True
        result = edgetl_check(*given, **named)
        if result.verdict != "pass":
            from edgetl.reporting import plain

            report = plain.check(result)
            if result.verdict == "fail" or choice == FAIL:
                pytest.fail(report, pytrace=False)
            warnings.warn(InconclusiveWarning(report), stacklevel=2)
        return result

    return gate


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
