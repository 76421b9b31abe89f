"""What all charts share. Colours are the page's CSS variables, so that one drawing is right in light and in dark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgetl.reporting.view.blocks import Spec

WIDE, NARROW = 880, 318
INK, MUTED, LINE, ACCENT = "var(--ink)", "var(--muted)", "var(--line)", "var(--accent)"
# Told apart by lightness, too; nothing is told by colour alone.
SERIES = tuple(f"var(--series-{number})" for number in range(1, 7))
_SANS = "system-ui, sans-serif"
_TEXT = {"labelFont": _SANS, "labelColor": MUTED, "labelFontSize": 12, "titleColor": MUTED, "titleFontSize": 12}

CONFIG: dict[str, Any] = {
    "font": _SANS,
    "aria": False,
    "background": None,
    "view": {"stroke": None},
    "axis": _TEXT
    | {
        "titleFont": _SANS,
        "titleFontWeight": "normal",
        "titlePadding": 10,
        "gridColor": LINE,
        "domainColor": LINE,
        "tickColor": LINE,
    },
    "legend": _TEXT | {"titleFont": _SANS, "orient": "top", "title": None, "symbolStrokeWidth": 1.5},
    "text": {"font": _SANS, "fontSize": 12, "color": INK},
}


def both(make: Callable[[int], Spec]) -> tuple[Spec, Spec]:
    """Return a chart for wide and for narrow screens."""
    return make(WIDE), make(NARROW)


def framed(width: int, height: int, **parts: Any) -> Spec:
    """Return a specification of one view that is ``width`` x ``height`` pixels with its axes."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": width,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": 4,
        "config": CONFIG,
        **parts,
    }


def axis(title: str, **more: Any) -> dict[str, Any]:
    """Return an axis with few ticks."""
    return {"title": title, "tickCount": 6, "labelFlush": False, **more}


def shares(low: float, high: float) -> tuple[list[float], dict[str, Any]]:
    """Return the domain of shares in per cent, and what its axis takes: nothing is beyond 100 %, also not a label."""
    domain = padded(low, high, 0.14)
    top = min(domain[1], 100 + 0.04 * (100 - domain[0]))
    return [domain[0], top], {"labelExpr": "datum.value > 100 ? '' : datum.label"}


def padded(low: float, high: float, share: float = 0.06) -> list[float]:
    """Return a domain a little wider than what is shown."""
    room = share * (high - low) or abs(high) * share or 1.0
    return [low - room, high + room]
