# One command per intent. `make run` and `make test` do all the set-up they need.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
VENV ?= .venv
BIN := $(VENV)/bin
# An emulated machine that carries 1,000 packets a second each way needs this one for itself.
ALONE := tests/system/test_guest_loss.py

.DEFAULT_GOAL := help
.PHONY: help install packages run check test bench demo torture clean

help:  ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

packages:  ## Debian packages that a gateway and the tests need
	@deploy/packages.sh

$(BIN)/.installed: pyproject.toml
	@test -x $(BIN)/python || python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,fast]'
	@touch $@

install: packages $(BIN)/.installed  ## everything that is needed to run and to develop

run: install  ## one host, end to end: a working VPN
	exec $(BIN)/wig up

check: $(BIN)/.installed  ## format, lint, types, layers, unit and property tests; no root, < 60 s
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest tests/unit tests/property tests/contract tests/golden -q -n auto --dist worksteal --cov=wig --cov-report=
	$(BIN)/coverage report --include='wig/*.py' --fail-under=100  # the core: every branch

test: install  ## every test that this machine can run
	@deploy/packages.sh test
	$(MAKE) check
	$(BIN)/pytest tests/integration tests/system -q -n auto --maxprocesses 4 --dist loadfile --ignore $(ALONE)
	$(BIN)/pytest $(ALONE) -q

bench: install  ## figures, each beside its floor, with the machine
	@deploy/packages.sh test
	$(BIN)/python -m tests.bench

demo: install  ## the story in under a minute
	$(BIN)/python -m tests.demo

torture: install  ## long random runs
	$(BIN)/pytest tests -q --torture -k torture

clean:
	rm -rf $(VENV) build *.egg-info .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
