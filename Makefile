# The developer's loop. Every target sets up what it needs: a virtual environment in .venv with the pinned versions.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test slow check format setup clean

demo: $(READY)  ## compare three models on digits, three repeats, and say where the report lies
	$(BIN)/ecrnn compare digits --config examples/demo.yaml --jobs 2 --out runs/demo

test: $(READY)  ## all tests
	$(BIN)/python -m pytest -q

slow: $(READY)  ## only the tests marked slow
	$(BIN)/python -m pytest -q -m slow

check: $(READY)  ## format, lint and types, as in CI
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ecrnn needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
