"""A verdict as workflow commands, which GitHub Actions shows as annotations."""

# Without `from __future__ import annotations`, whose name is a function's here.

from edgetl.artifacts import CheckResult
from edgetl.reporting import findings
from edgetl.reporting.lines import line

_COMMANDS = {"fail": "error", "inconclusive": "warning"}


def annotations(result: CheckResult) -> str:
    """Return one line for each budget that is not kept, an error or a warning; a single notice when all are.

    Whatever stands in the result, no line of it is another command than these.
    """
    commands = [
        _command(_COMMANDS[finding.outcome], f"edgetl check {finding.outcome}: {name}", finding.reason)
        for name, finding in zip(findings.names(result.findings), result.findings, strict=True)
        if finding.outcome in _COMMANDS
    ]
    if not commands:
        message = f"{result.candidate} against {result.baseline}: {findings.headline(result)}."
        commands = [_command("notice", f"edgetl check {result.verdict}", message)]
    return "".join(f"{command}\n" for command in commands)


def unmeasured(reason: str) -> str:
    """Return the line of an error that says why there is no verdict."""
    return f"{_command('error', 'edgetl check could not measure', reason)}\n"


def _command(name: str, title: str, message: str) -> str:
    return f"::{name} title={_property(line(title))}::{_data(line(message))}"


def _data(text: str) -> str:
    # The percent sign first: it begins what the others become.
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
