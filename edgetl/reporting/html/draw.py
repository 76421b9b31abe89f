"""Charts as SVG that stands in the page: text stays text, colours are the page's."""

from __future__ import annotations

import re

import vl_convert
from markupsafe import Markup

from edgetl.reporting.view.blocks import Spec

# Those of a file of its own; within HTML they say nothing, and a page without addresses is seen to ask nobody.
_NAMESPACES = re.compile(r' xmlns(:xlink)?="[^"]*"')
# A reader is told the chart's own words; the roles that Vega gives each mark would be read out one by one.
_ROLES = re.compile(r' (role|aria-[a-z]+)="[^"]*"')


def svg(spec: Spec, text: str, kind: str) -> Markup:
    """Return ``spec`` drawn, with ``text`` for those who do not see it; ``kind`` is its CSS class."""
    drawn = vl_convert.vegalite_to_svg(spec)
    head, rest = drawn.split(">", 1)
    head = _NAMESPACES.sub("", head).replace('class="marks"', f'class="{kind}"')
    # What the library escaped stays so; the words are escaped here.
    shown = Markup(head), Markup(_ROLES.sub("", rest))  # noqa: S704
    return shown[0] + Markup(' role="img" aria-label="{}">').format(text) + shown[1]
