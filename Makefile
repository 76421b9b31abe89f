# make demo | test | lint | docs | bench: each sets up what it needs in .venv, once.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed-$(shell cksum pyproject.toml 2>/dev/null | cut -d' ' -f1)

.PHONY: demo test lint docs bench clean

# That images or time do not suffice for a verdict (4) is a result; it says so itself.
demo: $(STAMP)
	$(BIN)/edgetl run || test $$? -eq 4

# A file's tests share what they prepare, so a file stays in one process.
test: $(STAMP)
	$(BIN)/pytest --numprocesses=logical --dist=loadfile

lint: $(STAMP)
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)
	$(BIN)/python -m docs.tools
	$(BIN)/mkdocs build --strict --config-file docs/tools/mkdocs.yml

bench: $(STAMP)
	$(BIN)/python -m benchmarks

# One stamp per content of pyproject.toml: repeating a command reinstalls nothing.
$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	rm -f $(VENV)/.installed-* && touch $@

clean:
	rm -rf build dist site .pytest_cache .mypy_cache .ruff_cache
