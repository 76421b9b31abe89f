"""A page as one HTML file that asks nobody for anything: no script, no font, no address."""

from edgetl.report.html.render import render

__all__ = ["render"]
