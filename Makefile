# Each target makes .venv and installs into it by itself when it is missing or the requirements changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OUT ?= demo_out

.PHONY: demo test lint soak bench docs clean

$(STAMP): requirements.txt requirements-dev.txt constraints.txt setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt -c constraints.txt
	touch $@

demo: $(STAMP)
	$(BIN)/kso demo --out $(OUT)

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not soak"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

soak: $(STAMP)
	$(BIN)/python -m pytest -m soak

bench: $(STAMP)
	$(BIN)/python -m benchmarks $(BENCH)

docs: $(STAMP)
	$(BIN)/python -m docs.build

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis kso_utils.egg-info demo_out
