# Every target builds the environment it needs. Python 3.11 or later and make are all that must be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev

.PHONY: demo install test test-slow lint bench clean

install: $(READY)

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

$(READY): pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

$(READY_DEV): pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ $(READY)

# Trains the three kinds of model on data/ and pipes text through them.
demo: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" sh tests/demo.sh

lint: $(READY_DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -m "not slow"

# The wheel in an environment of its own, the demo, and gates that must fail where they should.
test-slow: $(READY_DEV)
	$(BIN)/python -m pytest -m slow

bench: $(READY_DEV)
	$(BIN)/python -m tests.benchmarks.cold_start
	$(BIN)/python -m tests.benchmarks.classify_speed

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .import_linter_cache
