"""Rendering a page: one template, one partial for each kind of block, one style sheet."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from edgetl.reporting.html.draw import svg
from edgetl.reporting.lines import line
from edgetl.reporting.view.blocks import Page, Picture

STYLE = "report.css"


def render(page: Page) -> str:
    """Return ``page`` as a whole HTML document; any name in it stays plain text."""
    environment = _environment()
    style, _, _ = environment.loader.get_source(environment, STYLE)  # type: ignore[union-attr]
    return environment.get_template("page.html").render(page=page, style=Markup(style))  # noqa: S704 - our own file


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("edgetl.reporting.html", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_plain,
    )
    environment.globals.update(svg=svg)
    environment.filters.update(source=_source, prose=_prose)
    return environment


def _plain(value: Any) -> Any:
    """Return text without control characters, which could turn the direction of writing around; markup as it is."""
    return line(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _prose(text: str) -> Markup:
    """Return a sentence whose commands, between backticks, are code."""
    parts = line(text).split("`")
    if len(parts) % 2 == 0:
        return Markup("{}").format(line(text))
    shown = (Markup("<code>{}</code>" if index % 2 else "{}").format(part) for index, part in enumerate(parts))  # noqa: S704
    return Markup("").join(shown)


def _source(picture: Picture) -> str:
    """Return a thumbnail as the address of its own bytes."""
    return f"data:image/jpeg;base64,{base64.b64encode(picture.jpeg or b'').decode('ascii')}"
