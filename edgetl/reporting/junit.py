"""A verdict as JUnit XML: a test case for each budget, for GitLab, Jenkins and GitHub's reporters."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from edgetl.artifacts import CheckResult, Finding
from edgetl.reporting import findings
from edgetl.reporting.machine import machine

# What an XML 1.0 document cannot hold, not even escaped.
_INVALID = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(result: CheckResult) -> str:
    """Return an XML document with one suite: a budget that is exceeded is a failure, an undecided one an error."""
    outcomes = [finding.outcome for finding in result.findings]
    counts = {
        "tests": str(len(outcomes)),
        "failures": str(outcomes.count("fail")),
        "errors": str(outcomes.count("inconclusive")),
        "skipped": "0",
        "time": f"{result.seconds:.3f}",
    }
    root, suite = _suite(f"edgetl check {result.candidate}", counts)
    suite.set("timestamp", _valid(result.created))
    facts = {name: getattr(result, name) for name in ("verdict", "candidate", "baseline", "target")}
    _properties(suite, facts | {"machine": machine(result.machine)})
    # All were measured together. Readers that add up the cases' times then get the suite's.
    share = result.seconds / max(1, len(outcomes))
    for name, finding in zip(findings.names(result.findings), result.findings, strict=True):
        _case(suite, name, finding, result.target, share)
    return _document(root)


def unmeasured(reason: str) -> str:
    """Return an XML document that says why there is no verdict, as an error."""
    counts = {"tests": "1", "failures": "0", "errors": "1", "skipped": "0", "time": "0.000"}
    root, suite = _suite("edgetl check", counts)
    case = ElementTree.SubElement(suite, "testcase", {"classname": "edgetl", "name": "check", "time": "0.000"})
    said = _valid(reason)
    ElementTree.SubElement(case, "error", {"message": said, "type": "unmeasured"}).text = said
    return _document(root)


def _suite(name: str, counts: dict[str, str]) -> tuple[ElementTree.Element, ElementTree.Element]:
    root = ElementTree.Element("testsuites", {"name": "edgetl check", **counts})
    return root, ElementTree.SubElement(root, "testsuite", {"name": _valid(name), **counts})


def _document(root: ElementTree.Element) -> str:
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _case(suite: ElementTree.Element, name: str, finding: Finding, target: str, seconds: float) -> None:
    attributes = {"classname": _valid(target), "name": _valid(name), "time": f"{seconds:.3f}"}
    case = ElementTree.SubElement(suite, "testcase", attributes)
    _properties(
        case,
        {
            "budget": finding.budget,
            "value": findings.measured(finding),
            "interval": findings.interval(finding.ci, finding.unit),
            "limit": findings.allowed(finding),
        },
    )
    reason = _valid(finding.reason)
    # As text too: GitLab shows nothing of the attribute.
    if finding.outcome == "fail":
        ElementTree.SubElement(case, "failure", {"message": reason, "type": "fail"}).text = reason
    elif finding.outcome == "inconclusive":
        ElementTree.SubElement(case, "error", {"message": reason, "type": "inconclusive"}).text = reason
    else:
        ElementTree.SubElement(case, "system-out").text = reason


def _properties(parent: ElementTree.Element, values: dict[str, str]) -> None:
    properties = ElementTree.SubElement(parent, "properties")
    for name, value in values.items():
        ElementTree.SubElement(properties, "property", {"name": name, "value": _valid(value)})


def _valid(text: str) -> str:
    return _INVALID.sub("", text)
