"""What README and docs show runs as it is shown; what cannot run here says why, and edgetl's own parser reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

import jsonschema

from docs.tools import schemas
from edgetl.cli import main
from tests import environments, installed
from tests.conftest import REPOSITORY
from tests.docs import blocks, sandbox

# What blocks call that may not be here, and whose package it is.
NEEDED = {"--emulate": ("qemu-x86_64-static", "qemu-user-static"), "openssl": ("openssl", "openssl")}
PAGES = [page for page in blocks.pages() if any(block.runs for block in blocks.blocks(page))]
EVERY = [block for page in blocks.pages() for block in blocks.blocks(page)]


def named(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sandbox.Box]:
    """A folder with a finished run, made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("EDGETL_CACHE", raising=False)
        yield sandbox.make(tmp_path_factory.mktemp("docs"))


def command(words: list[str]) -> tuple[click.Command, click.Context, list[str]]:
    """Return the command that ``words`` name, a context for it, and its own words."""
    found: click.Command = main
    context = click.Context(main, info_name="edgetl")
    while isinstance(found, click.Group) and words:
        if words[0].startswith("-"):
            words = words[1:]
            continue
        assert words[0] in found.commands, f"there is no command {words[0]}"
        found = found.commands[words[0]]
        context = click.Context(found, parent=context, info_name=words[0])
        words = words[1:]
    return found, context, words


@pytest.mark.parametrize("block", [block for block in EVERY if block.is_shell], ids=lambda block: block.where)
def test_edgetl_takes_what_is_shown(block: blocks.Block) -> None:
    _parse(block.script)


def _parse(script: str) -> None:
    """Have click read all that a script asks of edgetl; raises UsageError where it does not take that."""
    for words in blocks.asked(script):
        found, context, rest = command(words)
        if not isinstance(found, click.Group) and not {"--help", "-h"} & set(rest):
            found.make_context(context.info_name, list(rest), parent=context.parent)


@pytest.mark.parametrize(
    "line",
    ["edgetl fintune", "edgetl bench --troughput", "edgetl finetune && edgetl ship --flet f.toml", "edgetl env make x"],
)
def test_what_edgetl_does_not_have_is_noticed(line: str) -> None:
    with pytest.raises((click.UsageError, AssertionError)):
        _parse(line)


@pytest.mark.parametrize("page", blocks.pages(), ids=named)
def test_edgetl_has_the_options_that_a_text_names(page: Path) -> None:
    for text in blocks.inline(page):
        for words in blocks.asked(text.replace("...", "")):
            found, _, rest = command(words)
            # A sentence may name an option without its value; that the option exists is what counts.
            known = {each for parameter in found.params for each in (*parameter.opts, *parameter.secondary_opts)}
            wrong = [word for word in rest if word.startswith("--") and word not in {*known, "--help"}]
            assert not wrong, text


@pytest.mark.parametrize("page", blocks.pages(), ids=named)
def test_commands_stand_in_blocks_that_are_run(page: Path) -> None:
    """A block without a language would be passed over, and so is tested by nobody."""
    for block in blocks.blocks(page):
        assert block.is_shell or not block.text.startswith("edgetl "), f"{block.where} is not marked as sh"
        assert block.excuse is None or block.is_shell, f"{block.where} is not run anyway"


@pytest.mark.training
@pytest.mark.engine
# The first one makes the run as well, and a machine may be busy.
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", PAGES, ids=named)
def test_what_a_page_shows_runs(page: Path, box: sandbox.Box, tmp_path_factory: pytest.TempPathFactory) -> None:
    shown = list(blocks.blocks(page))
    runnable = [block for block in shown if block.runs]
    for word, (program, package) in NEEDED.items():
        if any(word in block.script for block in runnable):
            installed.require((program,), (package,))
    made = [words[2] for block in runnable for words in blocks.asked(block.script) if words[:2] == ["env", "create"]]
    if made:
        box.lend(environments.cache(tmp_path_factory, *made))
    box.restore()
    for block in shown:
        if block.file:
            box.show(block)
    if any("ssh://" in block.text for block in shown):
        with sandbox.device(box):
            _run(box, runnable)
    else:
        _run(box, runnable)


def _run(box: sandbox.Box, runnable: list[blocks.Block]) -> None:
    for block in runnable:
        wrong = box.run(block.script)
        assert not wrong, "\n".join((f"{block.where}:", block.script, *wrong))


@pytest.mark.training
@pytest.mark.engine
def test_what_a_run_leaves_is_as_the_schemas_say(box: sandbox.Box) -> None:
    box.restore()
    left = {path.stem: path for path in (box.work / "runs" / "latest").glob("*.json")}
    checked = {name for name in left if name in schemas.VALUES}
    assert checked >= {"data", "finetune", "evaluation", "export", "quantize", "bench", "check"}
    for name in checked:
        _valid(name, left[name].read_text())


@pytest.mark.training
@pytest.mark.engine
def test_what_commands_print_is_as_the_schemas_say(box: sandbox.Box) -> None:
    box.restore()
    said = {
        "doctor": "edgetl doctor --json",
        "history": "edgetl history runs/ --json",
        "explain": "edgetl quantize --explain --json",
        "bundle": "edgetl bundle --out surface.pyz --json",
        "verify": "edgetl verify surface.pyz --no-timing --json",
    }
    for name, line in said.items():
        wrong = box.run(f"{line} > {name}.json")
        assert not wrong, "\n".join(wrong)
        _valid(name, (box.work / f"{name}.json").read_text())


def _valid(name: str, text: str) -> None:
    validator = jsonschema.Draft202012Validator(schemas.schema(schemas.VALUES[name]))
    assert not [error.message for error in validator.iter_errors(json.loads(text))], name
