# `make demo` and `make test` do all their own set-up: a virtual environment, the package with its extras, the compiled kernels.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := $(wildcard kernels/*.def kernels/*.h kernels/*.c kernels/*.py kernels/*/*.c kernels/*/*.inc kernels/*/*.h runtime/*.c runtime/*.h)
JOBS ?= 2

.PHONY: all demo test test-full conformance lint bench clean
all: demo

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml setup.py $(SOURCES) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[all]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/intq demo

lint: $(STAMP)
	$(BIN)/ruff check .
	rm -rf build/types && mkdir -p build/types/intq
	cd build/types/intq && ln -s ../../../runtime/* . && ln -s ../../../kernels ../../../converter ../../../bench .
	MYPYPATH=build/types $(BIN)/mypy --cache-dir build/mypy -p intq

test: $(STAMP) lint
	$(BIN)/python -m pytest -n $(JOBS) -m "not full and not conformance"

test-full: $(STAMP)
	INTQ_CASES=1000 $(BIN)/python -m pytest -n $(JOBS) -m "not conformance"

conformance: $(STAMP)
	INTQ_CASES=conformance $(BIN)/python -m pytest -n $(JOBS) -m conformance

bench: $(STAMP)
	$(BIN)/intq bench models

clean:
	rm -rf build dist *.egg-info out $(VENV)
