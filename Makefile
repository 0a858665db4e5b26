# `make run`; `make check`, the quick checks before a commit, and `make test`, all of them; `make faults`, which kills a
# small suite and takes its store away in every way we know of; and `make audit`, which fails on a pinned version with a
# known vulnerability, and where the index cannot say.
# Each makes .venv first if it is missing or its pins have changed.
PYTHON ?= python3
VENV := .venv
INSTALL = $(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable

.PHONY: run check test style types unit faults audit clean

run: $(VENV)/.installed
	$(VENV)/bin/python -m benchmark run all

check: $(VENV)/.installed-dev
	@$(MAKE) --no-print-directory --jobs 2 types unit style

test: style types
	$(VENV)/bin/pytest

style: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports

types: $(VENV)/.installed-dev
	$(VENV)/bin/mypy

unit: $(VENV)/.installed-dev
	$(VENV)/bin/pytest -m unit --numprocesses 0

faults: $(VENV)/.installed-dev
	FAULTS_FORM=full $(VENV)/bin/pytest tests/faults tests/benchmark/launch/test_store_outage.py --dist worksteal

audit: $(VENV)/.installed
	$(INSTALL) ".[audit]"
	$(VENV)/bin/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(INSTALL) ".[dev]"
	touch $@
