# Tuttu. `make help` lists what there is; every target sets up what it needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
# Named by what set-up depends on, the folder included (a virtual environment cannot be moved).
READY := .venv/ready-$(shell { pwd; cat requirements.lock pyproject.toml services/ops/embedded/jars.sha256; } 2>/dev/null | cksum | cut -d' ' -f1)
# The first Python that is new enough.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
PYTEST := $(BIN)/python -m pytest

.PHONY: help setup demo up test test-unit test-integration test-clients lint bench schemas lock clean

help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(READY) ## Create .venv from the lock and fetch the embedded servers (does nothing when up to date)

$(READY):
	@[ -n "$(PYTHON)" ] || { echo "Tuttu needs Python 3.11 or newer; this machine has $$(python3 --version 2>&1 || echo none)." \
		"Install one, or name it: make setup PYTHON=/path/to/python3.12" >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock || { \
		echo "The Python packages could not be installed. If the package registry cannot be reached, check the network" \
		"or name your mirror (PIP_INDEX_URL, PIP_CERT, HTTPS_PROXY), then run make setup again." >&2; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	$(BIN)/python -m services.ops.embedded fetch
	@rm -f .venv/ready-* && touch $@

demo: setup ## Everything with sample customers on this machine: make demo [DURATION=20]
	$(BIN)/tuttu demo $(if $(DURATION),--duration $(DURATION))

up: setup ## Everything on this machine, data kept in .tuttu
	$(BIN)/tuttu up

test: setup lint ## Lint and all tests
	$(PYTEST) -n 2 --dist loadgroup

test-unit: setup ## Tests that need no servers
	$(PYTEST) $(wildcard tests/unit tests/contract)

test-integration: setup ## Tests against the embedded Kafka and PostgreSQL
	$(PYTEST) -n 2 --dist loadgroup $(wildcard tests/integration tests/e2e)

test-clients: setup ## The clients in other languages (needs node)
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
		cd tests/clients && npm ci --no-audit --no-fund && npm test; \
	else \
		echo "node and npm are not installed: tests/clients was not run."; \
	fi

lint: setup ## Ruff, mypy, import-linter, and that schemas/ follows from the code
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy services tests
	$(BIN)/lint-imports
	$(BIN)/tuttu schemas --check

bench: setup ## Load and measure: make bench [EVENTS=] [CONTACTS=] [RATE=] [OUT=]
	$(BIN)/tuttu bench $(foreach name,events contacts rate out,$(call option,$(name)))

schemas: setup ## Write schemas/ from the code
	$(BIN)/tuttu schemas --write

lock: ## Pin all dependencies anew: make lock [UPGRADE=1]
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) -o requirements.lock pyproject.toml requirements.in

clean: ## Remove the environment and the caches; data in .tuttu is kept
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find services tests -name __pycache__ -prune -exec rm -rf {} +

# `--events 1000` when EVENTS=1000 was given, else nothing.
option = $(if $($(call upper,$(1))),--$(1) $($(call upper,$(1))))
upper = $(shell echo $(1) | tr a-z A-Z)
