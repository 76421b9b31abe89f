"""A verdict as Markdown, for the comment on a pull request and the summary of a CI job."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from edgetl.artifacts import Accuracy, CheckResult, Finding
from edgetl.reporting import findings
from edgetl.reporting.lines import line
from edgetl.reporting.machine import machine
from edgetl.targets import short_name

WORST_CLASSES, FLIPS = 5, 10

# Character references mean no structure, neither to Markdown nor to a table's rows nor to HTML. The invisible space
# keeps a class called @team from notifying that team, and #1 from linking to an issue.
_ESCAPED = {ord(character): f"&#{ord(character)};" for character in "\\`*_[]|~$"} | {
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord("@"): "@&#8203;",
    ord("#"): "#&#8203;",
}
# Within <code> nobody is notified and no issue linked, so that a name can be copied as it is.
_IN_CODE = _ESCAPED | {ord("@"): "@", ord("#"): "#"}
# Addresses become links even there: to the parser, <code> is HTML of its own and what it holds is text. The invisible
# space parts what the parser looks for; behind a "www." it would only be a part of the link.
_LINKED = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
_VERDICT = {"pass": "pass", "fail": "**fail**", "inconclusive": "**inconclusive**"}


def check(result: CheckResult) -> str:
    """Return the verdict in the first line, then what it rests on; any name in it stays plain text."""
    parts = [
        f"**edgetl check: {result.verdict.upper()}**: {text(findings.headline(result))}. {code(result.candidate)} "
        f"against {code(result.baseline)} for target {code(short_name(result.target))}.",
        table(
            (
                "quantity",
                "baseline",
                "candidate",
                "measured",
                f"{result.confidence:.0%} interval",
                "allowed",
                "verdict",
            ),
            map(_row, findings.names(result.findings), result.findings),
            left=(0, 6),
        ),
        listed(finding.reason for finding in result.findings if finding.outcome != "pass"),
        text(findings.evidence(result)),
        _classes(result),
        _flips(result.accuracy),
        f"Measured on {text(machine(result.machine))}. {text(findings.timing(result))}",
        listed(findings.remarks(result)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _row(name: str, finding: Finding) -> Sequence[str]:
    return (
        text(name),
        findings.side(finding, finding.baseline),
        findings.side(finding, finding.candidate),
        findings.measured(finding),
        findings.interval(finding.ci, finding.unit),
        findings.allowed(finding),
        _VERDICT[finding.outcome],
    )


def _classes(result: CheckResult) -> str:
    worst = [each for each in result.accuracy.classes if each.drop > 0][:WORST_CLASSES]
    if not worst:
        return ""
    rows = (
        (
            code(each.name),
            str(each.images),
            findings.percent(each.baseline),
            findings.percent(each.candidate),
            findings.figure(100 * each.drop, findings.POINTS),
            findings.interval((100 * each.ci[0], 100 * each.ci[1]), findings.POINTS),
        )
        for each in worst
    )
    heads = (
        "worst classes",
        "images",
        "baseline",
        "candidate",
        "top-1 drop, points",
        f"{result.confidence:.0%} interval",
    )
    return table(heads, rows, left=(0,))


def _flips(accuracy: Accuracy) -> str:
    if not accuracy.flips:
        return ""
    shown = accuracy.flips[:FLIPS]
    count = len(accuracy.flips)
    what = f"{count} image{'' if count == 1 else 's'} whose predicted class changed"
    title = what if len(shown) == count else f"{len(shown)} of {what}"
    rows = ((code(each.path), code(each.label), code(each.baseline), code(each.candidate)) for each in shown)
    listing = table(("image", "label", "baseline says", "candidate says"), rows, left=range(4))
    return f"<details><summary>{title}</summary>\n\n{listing}\n\n</details>"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], left: Iterable[int]) -> str:
    """Return a table of cells that are Markdown already; the columns ``left`` are aligned there, the others right."""
    sides = set(left)
    marks = ["---" if column in sides else "--:" for column in range(len(heads))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, marks, *rows))


def listed(sentences: Iterable[str]) -> str:
    """Return a list of plain sentences."""
    return "\n".join(f"- {text(sentence)}" for sentence in sentences)


def text(plain: str) -> str:
    """Return what shows ``plain`` as it is, on one line."""
    return _unlinked(line(plain).translate(_ESCAPED))


def code(plain: str) -> str:
    """Return what shows ``plain`` as it is, for copying."""
    return f"<code>{_unlinked(line(plain).translate(_IN_CODE))}</code>"


def _unlinked(escaped: str) -> str:
    return _LINKED.sub("&#8203;", escaped)
