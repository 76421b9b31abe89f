"""A page as one HTML file that asks nobody for anything: no script, no font, no address."""

from edgetl.reporting.html.render import render

__all__ = ["render"]
