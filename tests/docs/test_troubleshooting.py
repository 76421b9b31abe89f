"""The sentences that the docs help with are those that edgetl says, and the anchors that it may point at are there."""

from __future__ import annotations

import re

import pytest

from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
FAMILIES = ("images", "weights", "settings", "runs", "measuring", "export", "devices")


def sections() -> dict[str, str]:
    """Return each family's text by its anchor."""
    parts = re.split(r"^## .* \{#(\w+)\}$", PAGE, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def sentences() -> list[str]:
    """Return what stands in tables of sentences."""
    rows = [line.split("|")[1].strip() for text in sections().values() for line in _tables(text)]
    return [row for row in rows if row != "sentence" and not set(row) <= {"-"}]


def _tables(text: str) -> list[str]:
    return [
        line
        for table in text.split("\n\n")
        if table.strip().startswith("| sentence |")
        for line in table.strip().splitlines()
    ]


@pytest.fixture(scope="module")
def said() -> str:
    """All texts in edgetl's source; strings that are written over several lines are whole."""
    sources = (path.read_text(encoding="utf-8") for path in sorted((REPOSITORY / "edgetl").rglob("*.py")))
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(sources))


def test_every_family_of_errors_has_its_place() -> None:
    assert tuple(sections()) == FAMILIES


@pytest.mark.parametrize("sentence", sentences())
def test_edgetl_says_the_sentence(sentence: str, said: str) -> None:
    # What differs from case to case: names in quotes, numbers, and whatever dots stand for.
    parts = [part.strip(" ,'") for part in re.split(r"\.\.\.|\bN\b|\bX\b", sentence)]
    parts = [part for part in parts if len(part) > 3]
    assert parts
    missing = [part for part in parts if part not in said]
    assert not missing
