# `make reports` runs the embedded study and opens nothing; `make test` passes the tests. Each builds .venv by itself.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help reports unlock test test-all lint format bench plan verify audit record picture clean-reports

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

$(VENV)/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Redoubt needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

reports: $(VENV)/ready ## train, attack and judge the studies of config.yaml; then open reports/index.html
	snakemake --cores $(CORES) || { ! ls .snakemake/locks/* > /dev/null 2>&1 || echo \
		"Another run holds this folder, or one was killed in it: where none runs, make unlock" >&2; exit 1; }

unlock: $(VENV)/ready ## after a run that was killed: let the next one begin
	snakemake --cores 1 --unlock

test: $(VENV)/ready lint ## lint, format, layers and types, then the quick tests
	pytest -m "not slow" -n 2 --dist worksteal

test-all: $(VENV)/ready lint ## the heavier checks too
	pytest -n 2 --dist worksteal

lint: $(VENV)/ready
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile
	lint-imports
	mypy

format: $(VENV)/ready ## put every file into its form
	ruff check --fix .
	ruff format .
	snakefmt Snakefile

bench: $(VENV)/ready ## run every benchmark, then one table of all
	python benchmarks/all.py

plan: $(VENV)/ready ## what would run, why, how long and how much disk
	redoubt plan --cores $(CORES)

verify: $(VENV)/ready ## every recorded hash against the files that are here
	redoubt verify

audit: $(VENV)/ready ## make audit RUN=digits/trades/main: make one variant anew and judge its record
	redoubt audit $(RUN)

record: $(VENV)/ready ## write the hashes of data and checkpoints into dvc.lock
	dvc commit --force

picture: ## put the last run's figure of every defense on the front page
	cp reports/figures/adaptive_protocol-digits.svg docs/found.svg

clean-reports: ## remove what `make reports` wrote, but no data and no checkpoint
	rm -rf reports/tables reports/figures reports/notebooks reports/all_tables reports/all_figures reports/index.html \
		reports/site reports/ro-crate-metadata.json reports/claims.json reports/exhibits.json
