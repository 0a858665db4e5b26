# `make run`, `make test`, and `make faults`, which kills a small suite and takes its store away in every way we know of.
# Each makes .venv first if it is missing or its pins have changed.
PYTHON ?= python3
VENV := .venv
INSTALL = $(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable

.PHONY: run test faults clean

run: $(VENV)/.installed
	$(VENV)/bin/python -m benchmark run all

test: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest

faults: $(VENV)/.installed-dev
	FAULTS_FORM=full $(VENV)/bin/pytest tests/faults tests/benchmark/test_store_outage.py --dist worksteal

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
