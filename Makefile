# Everything a person does twice. Each target sets up what it needs by itself, from Python 3.11+,
# git and make: `make demo` a small environment, the others the whole one.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
export VENV
export PYTHON
PY := $(VENV)/bin/python
# Tests and measurements start many processes, which are not to compile Headrace each time.
unexport PYTHONDONTWRITEBYTECODE
ARGS ?=
PYTHON ?=
# Many tests wait for processes, so more of them run at once than there are cores; a file's tests
# stay together, as they share its servers. `tests/conftest.py` says in which order.
TEST_PROCESSES ?= 3
SIDE_BY_SIDE = --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

.PHONY: help demo test test-fast test-pythons check format bench docs docs-check changelog matrix lock clean env env-demo dot engine images

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

env:
	@tools/bootstrap.sh all

env-demo:
	@tools/bootstrap.sh demo

# Graphviz's program draws what `flow.visualize()` shows. Without it the tests that draw could not run.
dot:
	@command -v dot >/dev/null || tools/system.sh graphviz || echo "going on without graphviz's dot" >&2

# The Docker engine, its registry, and what makes an image without any: tests run containers.
engine:
	@{ command -v dockerd && command -v docker-registry && command -v mmdebstrap; } >/dev/null \
		|| tools/system.sh docker.io docker-registry mmdebstrap debian-archive-keyring \
		|| echo "going on without the Docker engine: tests of containers could not run" >&2

demo: env-demo dot  ## Run the example flow on each executor, then tracked by a server (ARGS=--keep leaves it running)
	@$(PY) -m examples $(ARGS)

# Made before the tests, none of which is then kept waiting for minutes; cached below .cache.
images: env engine  ## Make the images that tests of containers run, once
	@$(PY) -m tests.integration.components.prepare $(TEST_PROCESSES)

test: env dot images  ## Run every test
	@$(PY) -m pytest $(SIDE_BY_SIDE) $(ARGS)

test-fast: env dot  ## Run the unit and contract tests, in under 90 seconds
	@$(PY) -m pytest $(SIDE_BY_SIDE) tests/unit tests/contract tests/typing $(ARGS)

test-pythons: dot  ## Run the fast tests on the other supported Pythons, which must be installed
	@for version in 3.12 3.13; do \
		$(MAKE) --no-print-directory test-fast VENV=.venv-$$version PYTHON=$$version; \
	done

check: env docs-check  ## Lint, check formats, types and layers
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo

format: env  ## Format the code and mend what the linter can
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

bench: env  ## Measure speed and memory beside the raw limits (ARGS="--quick", ARGS="W1 W5", ARGS=--peers)
	@$(PY) -m benchmarks $(ARGS)

docs: env  ## Build the documentation, with the reference, into build/docs
	@$(PY) tools/reference.py
	@$(VENV)/bin/zensical build --strict --clean --config-file mkdocs.yml
	@echo "Built build/docs/index.html; searching it takes a server: python3 -m http.server --directory build/docs"

docs-check: env  ## Check the documentation's links, Python blocks and changelog fragments
	@$(PY) tools/docs_check.py
	@$(VENV)/bin/towncrier build --draft --version next >/dev/null

changelog: env  ## Show what the changelog fragments add up to
	@$(VENV)/bin/towncrier build --draft --version next

matrix: env images  ## Run the mixes of agents, storages and executors; write docs/deployment-matrix.md
	@MATRIX_TABLE=docs/deployment-matrix.md $(PY) -m pytest tests/acceptance/test_matrix.py -k two_flows $(ARGS)

lock: env  ## Renew the lock files (ARGS=--upgrade takes newer versions)
	@tools/lock.sh $(ARGS)

clean:  ## Remove what the tools wrote; environments stay
	@rm -rf build dist demo-output .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find src tests benchmarks examples tools -name __pycache__ -type d -prune -exec rm -rf {} +
