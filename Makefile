# `make reports` runs the embedded study and opens nothing; `make test` passes the tests. Each builds .venv by itself.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
N ?= 5
SEED ?= 0
STUDY ?= digits
MB ?= 40
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help elsewhere push pull reports unlock test test-all lint format bench plan verify audit audit-sample ship evidence \
	clean-reports

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

$(VENV)/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Redoubt needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/elsewhere: $(VENV)/ready requirements-elsewhere.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-elsewhere.lock
	touch $@

elsewhere: $(VENV)/elsewhere ## what a cluster, S3 and ssh need besides .venv

reports: $(VENV)/ready ## train, attack and judge the studies of config.yaml; then open reports/index.html
	snakemake --cores $(CORES) || { ! ls .snakemake/locks/* > /dev/null 2>&1 || echo \
		"Another run holds this folder, or one was killed in it: where none runs, make unlock" >&2; exit 1; }

unlock: $(VENV)/ready ## after a run that was killed: let the next one begin
	snakemake --cores 1 --unlock

test: $(VENV)/ready lint ## lint, format, layers and types, then the quick tests
	pytest -m "not slow" -n 2 --dist worksteal

test-all: $(VENV)/elsewhere lint ## the heavier checks too, with a Slurm and stores where their servers are installed
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

audit-sample: $(VENV)/ready ## make audit-sample N=5 SEED=1: audit runs drawn from all recorded ones; table in audits/sample.md
	redoubt audit-sample --n $(N) --seed $(SEED)

ship: $(VENV)/ready ## make ship STUDY=mnist MB=40: records, hashes and at most so many MB of weights into the repository
	redoubt ship $(STUDY) --megabytes $(MB)

push: $(VENV)/ready ## what the ledger carries, into the DVC remote
	dvc push

pull: $(VENV)/ready ## what the ledger carries, from the DVC remote, each file checked
	dvc remote modify --local "$$(dvc config core.remote)" verify true
	dvc pull
	redoubt verify || { echo "to fetch what is bad again: rm -r .dvc/cache, the bad files too; make pull" >&2; exit 1; }

evidence: $(VENV)/ready ## reports/README.md and reports/evidence anew, from the records that the repository carries
	redoubt evidence

clean-reports: ## remove what `make reports` wrote, but no data and no checkpoint
	rm -rf reports/tables reports/figures reports/notebooks reports/all_tables reports/all_figures reports/index.html \
		reports/site reports/ro-crate-metadata.json reports/claims.json reports/exhibits.json
