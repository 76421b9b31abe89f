"""Charts as Vega-Lite specifications, one file each: plain data, drawn by the renderer."""

from edgetl.reporting.view.charts.theme import both

__all__ = ["both"]
