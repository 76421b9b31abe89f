"""Text from elsewhere (names of classes, of files, of models) on one line."""

from __future__ import annotations

import re

from rich.text import Text

# Controls, line separators, and what turns the direction of writing around: in a log each could pass for the program's
# own words. Joiners stay, since some scripts are not written without them.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def line(text: str) -> str:
    """Return ``text`` without line breaks and control characters, each run of which becomes a space."""
    return _UNSAFE.sub(" ", text).strip()


def following(command: str) -> Text:
    """Return the last line of what a command prints: what to try next."""
    return Text(f"next: {command}", style="dim")
