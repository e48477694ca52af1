# make demo   the main job on a simulated scan, start to picture
# make test   the test suite        make check   lint and tests
# make bench  the benchmarks, as a table and as JSON
# make bundle all that an installation without a network needs, in dist/bundle
# make audit  known vulnerabilities of what the lock pins; asks a service on the internet

PYTHON ?= python3
PIP_VERSION := 25.3
TORCH := torch==2.13.0
# For another build of torch, for example TORCH_ARGS="--index-url ..."
TORCH_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
export PYTHONSAFEPATH := 1

.PHONY: demo test test-fast lint check format bench bundle audit clean

demo: $(VENV)/.product
	$(BIN)/scanside demo -o demo

test: $(VENV)/.developer
	$(BIN)/python -m pytest -m "not slow" tests
	$(BIN)/python -m pytest -m slow tests --no-header || [ $$? -eq 5 ]

test-fast: $(VENV)/.developer
	$(BIN)/python -m pytest -m "not slow" tests

lint: $(VENV)/.developer
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/style.py

check: lint test

format: $(VENV)/.developer
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.developer
	mkdir -p benchmarks/results
	$(BIN)/python -m benchmarks --json benchmarks/results/latest.json

bundle: $(VENV)/.product
	PYTHON=$(BIN)/python TORCH_ARGS="$(TORCH_ARGS)" sh docker/bundle.sh dist/bundle

audit:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	.venv-audit/bin/pip-audit --disable-pip --no-deps --strict -r constraints.txt

# torch comes first and pinned: an unpinned one may bring gigabytes of CUDA.
$(VENV)/.torch: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) pip==$(PIP_VERSION)
	$(PIP) $(TORCH_ARGS) $(TORCH)
	touch $@

$(VENV)/.product: $(VENV)/.torch pyproject.toml
	$(PIP) -c constraints.txt -e .
	touch $@

$(VENV)/.developer: $(VENV)/.product
	$(PIP) -c constraints.txt --group dev
	touch $@

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
