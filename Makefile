# Every verb does its own set-up, and does it again only when its inputs have changed.
# Assumed of the machine: make and a Python (3.11 or newer) with pip and venv. PYTHON=... names another one.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
LOCKED := $(VENV)/.locked
DOCS   := $(VENV)-docs

STRICT := tests/clients/strict
SCRIPTS := tests/clients/js $(STRICT) examples/node_signup

SOURCES := src tests tools $(wildcard examples bench)

.DEFAULT_GOAL := help
.PHONY: help demo test clients check coverage fuzz mutate bench fmt docs docs-site lock dist clean

help: ## Print these verbs
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## Watch a domain go from pending to verified, on a playground DNS, in a few seconds
	@$(BIN)/indicia sandbox -- $(BIN)/python examples/first_domain.py

test: $(READY) ## Run the whole test suite (T=tests/wire narrows it)
	@$(BIN)/python -m pytest -n 2 $(T)

clients: $(STRICT)/.venv/.ready $(SCRIPTS:%=%/node_modules) ## Install the clients that some tests use and skip without (needs npm)

check: $(READY) ## Formatting, every lint rule, strict types, import arrows, generated files
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_imports.py
	@$(BIN)/python tools/check_lock.py
	@$(BIN)/python tools/generate_shapes.py --check
	@$(BIN)/python tools/generate_docs.py --check

COVERED ?= tests/domain tests/wire/aws

coverage: $(READY) ## Measure by branches what their own tests reach of the rules and the protocols; the least covered first
	@$(BIN)/python -m coverage run -m pytest -q $(COVERED)
	@$(BIN)/python -m coverage report --sort=cover | sed -n '1,12p;/^TOTAL/p'

SECONDS ?= 60

fuzz: $(READY) ## Try to break invariants: every target, or one (T=proof), for SECONDS each
	@for target in $(if $(T),fuzz/$(T).py,$(wildcard fuzz/*.py)); do echo "$$target" && $(BIN)/python $$target $(SECONDS) || exit 1; done

N ?= 4
SEED ?= 0

mutate: $(READY) ## Break rules on purpose, N times in 100 lines (T=domain/policies narrows), and see what no test notices
	@nice -n 10 $(BIN)/python tools/mutate.py $(T) --per-hundred-lines $(N) --seed $(SEED)

bench: $(READY) ## Measure speed beside moto and beside the bare HTTP server
	@$(BIN)/python -m bench

fmt: $(READY) ## Format the sources and apply the safe fixes of the linter
	@$(BIN)/ruff check --fix-only --quiet $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

docs: $(READY) ## Write anew the pages of docs/ that are read from the code
	@$(BIN)/python tools/generate_docs.py

docs-site: $(DOCS)/.ready ## Build the documentation as a site to browse from the disk, every link checked
	@$(DOCS)/bin/python tools/docs_site.py

lock: $(READY) ## Write the lock files anew from pyproject.toml (UPGRADE=1 takes newer versions)
	@$(BIN)/python tools/lock.py $(if $(UPGRADE),--upgrade)

dist: $(READY) ## Build the wheel into dist/, for pip, pipx, uvx and deploy/Containerfile
	@rm -rf build dist/*.whl
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w dist .
	@rm -rf build
	@ls dist/*.whl

clean: ## Remove everything that the other verbs have made
	rm -rf $(VENV) $(DOCS) build dist src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .coverage .hypothesis .mutate $(STRICT)/.venv $(SCRIPTS:%=%/node_modules)
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Indicia needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

# A venv's python is a link to the machine's, with the machine's date: it only has to be there.
$(LOCKED): requirements-dev.lock | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

$(READY): pyproject.toml $(LOCKED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DOCS)/.ready: requirements-docs.lock | $(BIN)/python
	$(BIN)/python -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(STRICT)/.venv/.ready: $(STRICT)/requirements.lock | $(BIN)/python
	$(BIN)/python -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

%/node_modules: %/package.json
	npm install --prefix $* --no-package-lock --no-audit --no-fund --silent
	@touch $@
