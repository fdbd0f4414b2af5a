# The developer's loop. Every target sets up what it needs: a virtual environment in .venv with the pinned versions.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Two files of tests at a time, one thread each: the threads of two processes on two cores would wait for each other, busily;
# so would the threads that a test starts, which therefore wait a moment only.
# In which order is in tests/lanes.py. Compiled files are kept, also where the environment says otherwise: each process of
# Python that a test starts, and each worker, would compile all of this anew.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 GOMP_SPINCOUNT=1000 $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test slow gpu sanitize bench check docs dist format setup clean

demo: $(READY)  ## compare three models on digits, three repeats, and say where the report lies
	$(BIN)/ecrnn compare digits --config examples/demo.yaml --jobs 2 --out runs/demo

test: $(READY)  ## every test, of large grids a sample; under three minutes
	$(PYTEST) -m "not slow"

slow: $(READY)  ## the rest: more cases of the grids, long runs, sanitizers; ECRNN_EVERY_CASE=1 runs all
	$(PYTEST) -m slow

sanitize: $(READY)  ## the C++ kernels of every instruction set under the address and undefined-behaviour sanitizers
	ECRNN_EVERY_CASE=1 $(BIN)/python -m pytest -q tests/cpp

gpu: $(READY)  ## only the tests that need an NVIDIA card
	$(BIN)/python -m pytest -q -m gpu

bench: $(READY)  ## the recurrence and the training step against torch, alternating; takes some minutes
	$(BIN)/ecrnn bench recurrence
	$(BIN)/ecrnn bench step

check: $(READY)  ## format, lint and types, as in CI
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(READY)  ## the documentation site, in build/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

dist: $(READY)  ## source distribution and wheel in dist/, installed and used in a clean environment
	rm -rf dist
	$(BIN)/python -m build
	.ci/smoke dist/*.whl

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: $(READY)

$(READY): pyproject.toml constraints.txt CMakeLists.txt $(wildcard src/ecrnn/*/cpu/*.cpp src/ecrnn/*/cpu/*.hpp)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ecrnn needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
