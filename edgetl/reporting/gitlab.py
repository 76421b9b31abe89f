"""A verdict for GitLab's merge requests: a Code Quality report, and a metrics report."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import PurePosixPath

from edgetl.artifacts import CheckResult, Finding
from edgetl.reporting.lines import line
from edgetl.targets import short_name

_SEVERITY = {"fail": "critical", "inconclusive": "minor"}


def code_quality(result: CheckResult) -> str:
    """Return a JSON array with an issue for each budget that is not kept; empty when all are.

    An issue's fingerprint is that of budget, candidate and target alone, so that GitLab knows it again in the next run.
    """
    issues = [
        {
            "description": line(finding.reason),
            "check_name": f"edgetl/{finding.budget}",
            "fingerprint": _fingerprint(result, finding),
            "severity": _SEVERITY[finding.outcome],
            "location": {"path": _location(result), "lines": {"begin": 1}},
        }
        for finding in result.findings
        if finding.outcome in _SEVERITY
    ]
    return json.dumps(issues, indent=2, ensure_ascii=False) + "\n"


def metrics(result: CheckResult) -> str:
    """Return OpenMetrics text: a gauge for each budget with the value that was judged, in the unit of its label."""
    lines = []
    for finding in result.findings:
        name = f"edgetl_{finding.budget}"
        labels = {"candidate": result.candidate, "target": short_name(result.target), "unit": finding.unit}
        pairs = ",".join(f'{key}="{_label(value)}"' for key, value in labels.items())
        lines += [
            f"# TYPE {name} gauge",
            f"# HELP {name} {_label(finding.quantity)}",
            f"{name}{{{pairs}}} {_number(finding.value)}",
        ]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _fingerprint(result: CheckResult, finding: Finding) -> str:
    parts = (finding.budget, result.candidate, short_name(result.target))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _location(result: CheckResult) -> str:
    """Return the file that an issue is shown at, which GitLab wants relative: the model, else the run's verdict."""
    model = PurePosixPath(line(result.candidate))
    path = model if model.suffix == ".onnx" else PurePosixPath(line(result.run), result.FILE)
    return str(PurePosixPath(path.name) if path.is_absolute() else path)


def _label(text: str) -> str:
    # GitLab takes all that follows a # for a comment, even here.
    return line(text).replace("\\", "\\\\").replace('"', '\\"').replace("#", "%23")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    # No more digits than mean anything: GitLab shows each change of this text.
    return f"{value + 0.0:.4g}"
