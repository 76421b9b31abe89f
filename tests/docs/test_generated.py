"""What is generated in the docs is what would be generated now."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import click
import jsonschema
import pytest

from docs.tools import __main__ as tools
from docs.tools import reference, schemas
from edgetl.cli import main
from tests.conftest import REPOSITORY


def test_nothing_that_is_generated_is_stale() -> None:
    """In a process of its own, as `make docs` writes them: what other tests did to this one is no part of the docs."""
    script = "from docs.tools.__main__ import stale\nfor path in stale(): print(path.name)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout == "", "run `make docs` and commit what it writes"


def test_a_stale_page_and_a_schema_of_nothing_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = tmp_path / "docs"
    shutil.copytree(tools.DOCS / "schemas", copied / "schemas")
    monkeypatch.setattr(tools, "DOCS", copied)
    (copied / "commands.md").write_text(reference.page().replace("--head", "--heads"))
    (copied / "schemas" / "nothing.json").write_text("{}")
    assert [path.name for path in tools.stale()] == ["commands.md", "nothing.json"]
    tools.main()
    assert tools.stale() == []


def test_the_reference_has_every_command_with_an_example() -> None:
    parts = reference.page().split("\n## ")[1:]
    by_name = {part.split("\n", 1)[0]: part for part in parts}
    assert next(iter(by_name)) == "edgetl"
    for name, command in main.commands.items():
        inner = command.commands if isinstance(command, click.Group) else {}
        for path in (f"edgetl {name}", *(f"edgetl {name} {each}" for each in inner)):
            assert path in by_name[path].split("Examples:")[1], path


@pytest.mark.parametrize("name", sorted(schemas.VALUES))
def test_a_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas.schema(schemas.VALUES[name]))


def test_a_schema_refuses_what_is_missing_misspelt_or_of_another_kind() -> None:
    validator = jsonschema.Draft202012Validator(schemas.schema(schemas.VALUES["bundle"]))
    good = {"bundle": "surface.pyz", "sha256": "0", "size_bytes": 1, "signed": False}
    assert validator.is_valid(good)
    assert not validator.is_valid({**good, "size": 1})
    assert not validator.is_valid({**good, "size_bytes": "1"})
    assert not validator.is_valid({"bundle": "surface.pyz"})


def test_a_number_may_be_infinite() -> None:
    interval = schemas.schema(schemas.VALUES["check"])["$defs"]["Finding"]["properties"]["ci"]
    validator = jsonschema.Draft202012Validator(interval)
    assert validator.is_valid([0.9, "Infinity"])
    assert not validator.is_valid([0.9, "large"])
