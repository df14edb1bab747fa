# Two commands matter: `make run` serves, `make test` proves. Everything they need is installed from hash-locked wheels.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --no-deps

.PHONY: run test check unit bench lock clean

run: .venv/run
	@$(BIN)/turnout up $(ARGS)

test: check unit

# Format, lint, types, direction of imports.
check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

unit: .venv/dev
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

bench: .venv/dev
	$(BIN)/python benchmarks/run.py $(ARGS)

lock:
	requirements/lock.sh

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis dist

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Turnout needs Python 3.11 or newer: make PYTHON=python3.12")'
	@$(PYTHON) -m venv .venv

# Each mark is newer than the lock that was installed last.
.venv/run: requirements/run.lock pyproject.toml | .venv/bin/python
	@echo "Installing Turnout (once)"
	@$(PIP) -r requirements/run.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

.venv/dev: requirements/dev.lock pyproject.toml | .venv/bin/python
	@echo "Installing Turnout and what its tests need (once)"
	@$(PIP) -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@ .venv/run
