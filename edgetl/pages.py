"""The pages of the documentation, which travel inside the wheel: read without a network, from any folder."""

from __future__ import annotations

import re

from edgetl.errors import UsageError, nearest
from edgetl.files import data_dir

# The site takes its text from the changelog at the top of the checkout.
_ELSEWHERE = ("changelog",)
_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_HEADING = re.compile(r"^## (?P<title>.+?)(?: \{#(?P<anchor>[\w-]+)\})?$", re.MULTILINE)


def names() -> list[str]:
    """Return the names of all pages, such as ``ci`` and ``howto/images``, sorted."""
    folder = data_dir("docs")
    found = (path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.md"))
    return sorted(name for name in found if name not in _ELSEWHERE)


def read(wanted: str) -> str:
    """Return the Markdown of a page, or of a part of it: ``images`` or ``troubleshooting#runs``; raises UsageError.

    A page of a folder is also known without the folder. What is for the tests and for the site alone is left out.
    """
    known = names()
    page, _, anchor = wanted.removeprefix("docs/").replace(".md", "").partition("#")
    name = next((each for each in known if page in (each, each.rpartition("/")[2])), None)
    if name is None:
        stems = [each.rpartition("/")[2] for each in known]
        raise UsageError(f"There is no page '{page}'.{nearest(page, [*known, *stems])} Known: {', '.join(known)}.")
    text = _COMMENT.sub("", (data_dir("docs") / f"{name}.md").read_text(encoding="utf-8"))
    parts = {found["anchor"] or _slug(found["title"]): found.start() for found in _HEADING.finditer(text)}
    if anchor and anchor not in parts:
        raise UsageError(f"{name} has no part '{anchor}'.{nearest(anchor, parts)} Known: {', '.join(parts)}.")
    if anchor:
        after = [start for start in parts.values() if start > parts[anchor]]
        text = text[parts[anchor] : min(after, default=len(text))]
    return _HEADING.sub(r"## \g<title>", text).strip() + "\n"


def _slug(title: str) -> str:
    return re.sub(r"[^\w]+", "-", title.lower()).strip("-")
