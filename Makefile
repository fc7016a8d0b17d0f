# Everything a developer types. `make demo` and `make test` need only Python >= 3.11 and pip: they make .venv themselves.

# Python 3.11 first: constraints.txt names a CPU build of PyTorch for it
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Tests make and delete thousands of folders, which takes minutes on some disks: they do it in memory where there is room
ifndef TMPDIR
MEMORY := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 8000000 { print "TMPDIR=/dev/shm" }')
endif
PYTEST = $(MEMORY) OMP_NUM_THREADS=1 MPLBACKEND=agg $(BIN)/python -m pytest -n 2

.PHONY: demo test test-slow tutorials fuzz lint docs bench dist check-install clean

demo: $(VENV)/.package
	$(BIN)/sgt demo

test: $(VENV)/.test
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/.test
	$(PYTEST) -m "slow and not tutorial"

# Runs every notebook of tutorials/ from top to bottom
tutorials: $(VENV)/.test
	$(PYTEST) -m tutorial

# Damaged files for every reader of files, others each time unless FUZZ_SEED is given; a case that fails is printed with the line that
# reads it again
fuzz: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --seconds $(or $(FUZZ_SECONDS),600) $(addprefix --seed ,$(FUZZ_SEED))

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python scripts/check_style.py
	$(BIN)/codespell

docs: $(VENV)/.doc
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks

# The files of a release, and whether PyPI would take them
dist: $(VENV)/.package
	rm -rf dist
	$(PIP) build twine
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

# Into an empty environment, with and without each extra; nothing of .venv is used
check-install:
	$(PYTHON) scripts/check_install.py --tests tests/test_docs.py tests/test_packaging.py tests/golden

clean:
	rm -rf $(VENV) build dist docs/_build docs/api/generated docs/tutorials demo

$(VENV)/.package: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python >= 3.11 with venv found: install one, or run make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(PIP) --editable .
	@touch $@

$(VENV)/.test $(VENV)/.dev $(VENV)/.doc: $(VENV)/.%: $(VENV)/.package
	$(PIP) --group $*
	@touch $@
