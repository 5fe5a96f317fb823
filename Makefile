# Every target builds the environment it needs. Python 3.11 or later and make are all that must be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# As many processes of tests as cores, up to four, with a thread each; where a test trains on several threads, one that
# waits for another sleeps, or it would hold the core that the other waits for.
PYTEST := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
READY_BENCH := $(VENV)/.ready-bench

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

# Asks the English model, trains the three kinds of model on data/ and pipes text through them.
demo: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" sh tests/demo.sh

lint: $(READY_DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy checkpoints/en.py
	$(BIN)/lint-imports

test: lint
	$(PYTEST) -m "not slow"

# The wheel in an environment of its own, the demo, and gates that must fail where they should.
test-slow: $(READY_DEV)
	$(PYTEST) -m slow

$(READY_BENCH): pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev,bench]'
	-$(BIN)/pip install --quiet --disable-pip-version-check fasttext  # needs a C++ compiler; left out where it does not build
	touch $@ $(READY_DEV) $(READY)

# Beside peers, in turn; results land in build/benchmarks. CASES="tagging generating" runs some, DATA=FOLDER reads others,
# ROUNDS=N repeats each so often, ENCODER=BUNDLE is what learning curves start from.
bench: $(READY_BENCH)
	$(BIN)/python -m tests.benchmarks $(CASES) $(if $(DATA),--data $(DATA)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(ENCODER),--encoder $(ENCODER))

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .import_linter_cache
